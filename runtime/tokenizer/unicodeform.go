package tokenizer

import (
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// maxMarks is the length of a run of combining marks up to which x/text normalises as
// the standard says. Longer runs it breaks up with U+034F (Stream-Safe Text Format).
const maxMarks = 30

// normForm is one of the four Unicode normalisation forms.
type normForm norm.Form

func (n normForm) normalize(p piece) piece {
	f := norm.Form(n)
	if f.IsNormalString(p.text) && !hasLongMarks(f, p.text) {
		return p
	}
	if hasLongMarks(f, p.text) {
		p.text = normalizeLong(f, p.text)
	} else {
		p.text = f.String(p.text)
	}
	return p
}

// hasLongMarks tells whether s may hold more than maxMarks combining marks in a row.
// A character can decompose into several marks, so the bound is a third of that.
func hasLongMarks(f norm.Form, s string) bool {
	run := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			run = 0
			i++
			continue
		}
		p := f.PropertiesString(s[i:])
		if p.CCC() != 0 || !p.BoundaryBefore() {
			if run++; run > maxMarks/3 {
				return true
			}
		} else {
			run = 0
		}
		i += max(1, p.Size())
	}
	return false
}

// normalizeLong normalises s by the algorithm of UAX #15, with marks in runs of any
// length: decompose, order the marks by class, compose.
func normalizeLong(f norm.Form, s string) string {
	decompose := norm.NFD
	if f == norm.NFKC || f == norm.NFKD {
		decompose = norm.NFKD
	}
	var runes []rune
	for _, r := range s {
		runes = append(runes, []rune(decompose.String(string(r)))...)
	}
	class := make([]uint8, len(runes))
	for i, r := range runes {
		class[i] = norm.NFD.PropertiesString(string(r)).CCC()
	}
	orderMarks(runes, class)
	if f == norm.NFC || f == norm.NFKC {
		runes = compose(runes)
	}
	return string(runes)
}

// orderMarks sorts every run of marks by class, keeping the order of equals.
func orderMarks(runes []rune, class []uint8) {
	type mark struct {
		r rune
		c uint8
	}
	for i := 0; i < len(runes); i++ {
		j := i
		for j < len(runes) && class[j] != 0 {
			j++
		}
		if j-i > 1 {
			run := make([]mark, j-i)
			for k := range run {
				run[k] = mark{runes[i+k], class[i+k]}
			}
			slices.SortStableFunc(run, func(a, b mark) int { return int(a.c) - int(b.c) })
			for k, m := range run {
				runes[i+k], class[i+k] = m.r, m.c
			}
		}
		i = max(i, j-1)
	}
}

// compose joins starters with what follows them (UAX #15, D117), in place.
func compose(runes []rune) []rune {
	out := runes[:0]
	starter, last := -1, uint8(0) // last: class of the character before, kept ones only
	for _, r := range runes {
		c := norm.NFD.PropertiesString(string(r)).CCC()
		adjacent := starter >= 0 && starter == len(out)-1
		if starter >= 0 && (adjacent || last < c && last != 0) {
			if pair, ok := composePair(out[starter], r); ok {
				out[starter] = pair
				continue
			}
		}
		if c == 0 {
			starter = len(out)
		}
		last = c
		out = append(out, r)
	}
	return out
}

// composePair returns the primary composite of a and b.
func composePair(a, b rune) (rune, bool) {
	s := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s)
}
