package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// runeClass matches every character of a class by itself.
type runeClass func(r rune) bool

func (c runeClass) each(s string, yield func(start, end int)) {
	for i, r := range s {
		if c(r) {
			yield(i, i+utf8.RuneLen(r))
		}
	}
}

func isPunctuation(r rune) bool {
	if r < 0x80 {
		return r > ' ' && r < 0x7f && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	return unicode.IsPunct(r)
}

// words matches \w+|[^\w\s]+.
type words struct{}

func (words) each(s string, yield func(start, end int)) {
	class := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	start, kind := 0, 0
	for i, r := range s {
		if k := class(r); k != kind {
			if kind != 0 {
				yield(start, i)
			}
			start, kind = i, k
		}
	}
	if kind != 0 {
		yield(start, len(s))
	}
}
