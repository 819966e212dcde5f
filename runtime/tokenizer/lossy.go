package tokenizer

import "unicode/utf8"

// lossy replaces every maximal invalid part of b by U+FFFD (Unicode 3.9, as Rust's
// from_utf8_lossy does).
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var d utf8Repair
	out := d.push(nil, b)
	return string(d.flush(out))
}

// utf8Repair is lossy for bytes that arrive in portions. It holds back at most three
// bytes: the beginning of a character that may still be completed.
type utf8Repair struct {
	held []byte
}

// push appends to out all that is certain once b has arrived.
func (d *utf8Repair) push(out, b []byte) []byte {
	if len(d.held) > 0 {
		b = append(d.held, b...)
	}
	for len(b) > 0 {
		if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
			out = append(out, b[:n]...)
			b = b[n:]
			continue
		}
		n, complete := invalidPart(b)
		if !complete && n == len(b) {
			break
		}
		out = append(out, "\uFFFD"...)
		b = b[n:]
	}
	d.held = append([]byte(nil), b...)
	return out
}

// flush appends what is held: an unfinished character, as one U+FFFD.
func (d *utf8Repair) flush(out []byte) []byte {
	if len(d.held) > 0 {
		out = append(out, "\uFFFD"...)
		d.held = nil
	}
	return out
}

// invalidPart measures the maximal invalid part that b starts with. complete is false
// if further bytes could still make it a character.
func invalidPart(b []byte) (n int, complete bool) {
	need, lo, hi := 0, byte(0x80), byte(0xBF)
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		need = 1
	case c == 0xE0:
		need, lo = 2, 0xA0
	case c == 0xED:
		need, hi = 2, 0x9F
	case c >= 0xE1 && c <= 0xEF:
		need = 2
	case c == 0xF0:
		need, lo = 3, 0x90
	case c == 0xF4:
		need, hi = 3, 0x8F
	case c >= 0xF1 && c <= 0xF3:
		need = 3
	default:
		return 1, true
	}
	for n = 1; n <= need; n++ {
		if n == len(b) {
			return n, false
		}
		if b[n] < lo || b[n] > hi {
			return n, true
		}
		lo, hi = 0x80, 0xBF
	}
	return n, true
}
