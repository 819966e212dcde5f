package tokenizer

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// perToken is a stage without memory: it maps every token by itself. Tokens that have
// been fused it holds until the end, when the one token is whole.
type perToken struct {
	apply func(token string) string
	fused bool
	held  strings.Builder
}

func (p *perToken) push(chunk string, emit func(string)) {
	if p.fused {
		p.held.WriteString(chunk)
		return
	}
	emit(p.apply(chunk))
}

func (p *perToken) flush(emit func(string)) {
	if p.fused {
		emit(p.apply(p.held.String()))
	}
}

// pass hands chunks on as they are. As a Fuse it needs nothing else.
type pass struct{}

func (pass) push(chunk string, emit func(string)) { emit(chunk) }
func (pass) flush(func(string))                   {}

type fuseDecoder struct{}

func (fuseDecoder) fuses() bool      { return true }
func (fuseDecoder) stage(bool) stage { return pass{} }

// spaced joins tokens with spaces.
type spaced struct{ begun bool }

func (s *spaced) push(chunk string, emit func(string)) {
	if s.begun {
		emit(" ")
	}
	s.begun = true
	emit(chunk)
}

func (*spaced) flush(func(string)) {}

type replaceDecoder struct{ replace }

func (replaceDecoder) fuses() bool { return false }
func (d replaceDecoder) stage(fused bool) stage {
	return &perToken{apply: d.apply, fused: fused}
}

// metaspaceDecoder writes marks as spaces, and drops those of the first token.
type metaspaceDecoder struct{ metaspace }

func (metaspaceDecoder) fuses() bool { return false }
func (d metaspaceDecoder) stage(fused bool) stage {
	return &metaspaceStage{d: d, fused: fused}
}

type metaspaceStage struct {
	d     metaspaceDecoder
	fused bool
	begun bool
}

func (s *metaspaceStage) push(chunk string, emit func(string)) {
	space := " "
	if s.d.prepend != "never" && (s.fused || !s.begun) {
		space = ""
	}
	s.begun = true
	emit(strings.ReplaceAll(chunk, s.d.mark, space))
}

func (*metaspaceStage) flush(func(string)) {}

// stripDecoder removes up to start leading and stop trailing contents from a token.
type stripDecoder struct {
	content     string
	start, stop int
}

func (stripDecoder) fuses() bool { return false }
func (d stripDecoder) stage(fused bool) stage {
	if fused && d.stop == 0 {
		return &stripStart{content: d.content, left: d.start}
	}
	return &perToken{apply: d.apply, fused: fused}
}

func (d stripDecoder) apply(s string) string {
	whole := s
	for i := 0; i < d.start && strings.HasPrefix(s, d.content); i++ {
		s = s[len(d.content):]
	}
	// What is stripped at the end may already be stripped at the start; the reference
	// fails there, and we strip it once.
	for i := 0; i < d.stop && strings.HasSuffix(whole, d.content) && s != ""; i++ {
		whole = whole[:len(whole)-len(d.content)]
		s = s[:len(s)-len(d.content)]
	}
	return s
}

// stripStart strips the beginning of one fused token.
type stripStart struct {
	content string
	left    int // how many more may be stripped
}

func (s *stripStart) push(chunk string, emit func(string)) {
	for s.left > 0 && chunk != "" {
		if !strings.HasPrefix(chunk, s.content) {
			s.left = 0
			break
		}
		chunk = chunk[len(s.content):]
		s.left--
	}
	if chunk != "" {
		emit(chunk)
	}
}

func (*stripStart) flush(func(string)) {}

// byteLevelDecoder turns tokens into the bytes they spell and those into text.
type byteLevelDecoder struct{}

func (byteLevelDecoder) fuses() bool { return true }
func (byteLevelDecoder) stage(fused bool) stage {
	if fused {
		return &perToken{fused: true, apply: func(s string) string { return lossy(fromByteLevel(nil, s)) }}
	}
	return &byteLevelStage{}
}

type byteLevelStage struct {
	repair  utf8Repair
	in, out []byte
}

func (s *byteLevelStage) push(chunk string, emit func(string)) {
	s.in = fromByteLevel(s.in[:0], chunk)
	s.out = s.repair.push(s.out[:0], s.in)
	if len(s.out) > 0 {
		emit(string(s.out))
	}
}

func (s *byteLevelStage) flush(emit func(string)) {
	if out := s.repair.flush(nil); len(out) > 0 {
		emit(string(out))
	}
}

// byteFallbackDecoder joins runs of tokens <0x00> … <0xFF>. A run that is not UTF-8
// as a whole becomes one U+FFFD for each of its bytes, so no part of a run is certain
// before its end.
type byteFallbackDecoder struct{}

func (byteFallbackDecoder) fuses() bool { return false }
func (byteFallbackDecoder) stage(fused bool) stage {
	if fused {
		return &perToken{fused: true, apply: func(s string) string {
			if b, ok := byteToken(s); ok {
				return byteRun([]byte{b})
			}
			return s
		}}
	}
	return &byteFallbackStage{}
}

type byteFallbackStage struct{ run []byte }

func (s *byteFallbackStage) push(chunk string, emit func(string)) {
	if b, ok := byteToken(chunk); ok {
		s.run = append(s.run, b)
		return
	}
	s.flush(emit)
	emit(chunk)
}

func (s *byteFallbackStage) flush(emit func(string)) {
	if len(s.run) > 0 {
		emit(byteRun(s.run))
		s.run = s.run[:0]
	}
}

func byteRun(run []byte) string {
	if utf8.Valid(run) {
		return string(run)
	}
	return strings.Repeat("\uFFFD", len(run))
}

// byteToken reads <0xHH>.
func byteToken(s string) (byte, bool) {
	if len(s) != 6 || s[:3] != "<0x" || s[5] != '>' {
		return 0, false
	}
	b, err := strconv.ParseUint(s[3:5], 16, 8)
	return byte(b), err == nil
}
