package tokenizer

import (
	"strings"
	"sync"
)

// byteAlphabet is GPT-2's bijection between bytes and printable characters: printable
// Latin-1 stands for itself, the other bytes for U+0100 onwards.
type byteAlphabet struct {
	char [256]rune
	byte map[rune]byte
}

//nolint:gochecknoglobals // a constant that has to be computed
var alphabet = sync.OnceValue(func() *byteAlphabet {
	a := &byteAlphabet{byte: make(map[rune]byte, 256)}
	next := rune(256)
	for b := range a.char {
		c := rune(b)
		if (c < '!' || c > '~') && (c < 0xa1 || c > 0xac) && (c < 0xae || c > 0xff) {
			c = next
			next++
		}
		a.char[b] = c
		a.byte[c] = byte(b)
	}
	return a
})

// toByteLevel spells the bytes of s in the byte alphabet.
func toByteLevel(s string) string {
	a := alphabet()
	var b strings.Builder
	b.Grow(len(s) + len(s)/4)
	for i := 0; i < len(s); i++ {
		b.WriteRune(a.char[s[i]])
	}
	return b.String()
}

// fromByteLevel appends the bytes that s spells, or s itself if it holds any
// character outside the byte alphabet.
func fromByteLevel(out []byte, s string) []byte {
	a, n := alphabet(), len(out)
	for _, r := range s {
		b, ok := a.byte[r]
		if !ok {
			return append(out[:n], s...)
		}
		out = append(out, b)
	}
	return out
}
