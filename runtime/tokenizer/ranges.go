package tokenizer

import (
	"cmp"
	"slices"
	"unicode"
)

// runeRange is the characters lo … hi.
type runeRange struct{ lo, hi rune }

// ranges is a set of characters. Once tidy, it is sorted and its ranges neither
// overlap nor touch.
type ranges []runeRange

// tidy returns the same set, sorted and joined. It may reuse the slice.
func (s ranges) tidy() ranges {
	slices.SortFunc(s, func(a, b runeRange) int { return cmp.Compare(a.lo, b.lo) })
	out := s[:0]
	for _, r := range s {
		if n := len(out); n > 0 && r.lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, r.hi)
		} else {
			out = append(out, r)
		}
	}
	return out
}

// not returns the other characters of a tidy set.
func (s ranges) not() ranges {
	out, next := ranges{}, rune(0)
	for _, r := range s {
		if next < r.lo {
			out = append(out, runeRange{next, r.lo - 1})
		}
		next = r.hi + 1
	}
	if next <= unicode.MaxRune {
		out = append(out, runeRange{next, unicode.MaxRune})
	}
	return out
}

// and returns the characters that two tidy sets share.
func (s ranges) and(t ranges) ranges {
	both := append(s.not(), t.not()...)
	return both.tidy().not()
}

// size is the number of characters of a tidy set.
func (s ranges) size() int {
	n := 0
	for _, r := range s {
		n += int(r.hi-r.lo) + 1
	}
	return n
}

// fold returns the tidy set with all characters that differ from one of s by case only.
func (s ranges) fold() ranges {
	out := slices.Clone(s)
	for _, r := range s {
		for c := r.lo; c <= r.hi; c++ {
			for f := unicode.SimpleFold(c); f != c; f = unicode.SimpleFold(f) {
				out = append(out, runeRange{f, f})
			}
		}
	}
	return out.tidy()
}

// ofTable converts tables of the standard library.
func ofTable(tables ...*unicode.RangeTable) ranges {
	var out ranges
	add := func(lo, hi, stride rune) {
		if stride == 1 {
			out = append(out, runeRange{lo, hi})
			return
		}
		for c := lo; c <= hi; c += stride {
			out = append(out, runeRange{c, c})
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	return out.tidy()
}

// namedSet is the set of \p{name}, or nil for a name that we do not have.
func namedSet(name string) ranges {
	switch name {
	case "L", "Lu", "Ll", "Lt", "Lm", "Lo", "M", "Mn", "Mc", "Me", "N", "Nd", "Nl", "No",
		"P", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "S", "Sm", "Sc", "Sk", "So",
		"Z", "Zs", "Zl", "Zp", "Cc", "Cf", "Co":
		return append(ofTable(unicode.Categories[name]), newer(name)...).tidy()
	case "Han": // 2EBF0: Unicode 15.1
		return append(ofTable(unicode.Han), runeRange{0x2EBF0, 0x2EE5D}).tidy()
	}
	if t, ok := unicode.Scripts[name]; ok {
		return ofTable(t)
	}
	return nil
}

// wordSet is \w of Oniguruma: alphabetic, mark, decimal digit, connector, and the
// superscripts and fractions of Latin-1.
func wordSet() ranges {
	s := append(ofTable(unicode.Other_Alphabetic), ranges{{0xb2, 0xb3}, {0xb9, 0xb9}, {0xbc, 0xbe}}...)
	for _, category := range []string{"L", "M", "Nd", "Nl", "Pc"} {
		s = append(s, namedSet(category)...)
	}
	return s.tidy()
}

// runeSet is a set made for fast tests: a bit for every character, in pages that are
// stored once if equal.
type runeSet struct {
	ascii [2]uint64
	page  [(unicode.MaxRune + 1) / 256]uint16
	pages [][4]uint64
}

func newRuneSet(s ranges) *runeSet {
	t := &runeSet{}
	known := map[[4]uint64]uint16{}
	at := 0 // the first range that may reach into the page
	for p := range t.page {
		var bits [4]uint64
		first, last := rune(p*256), rune(p*256+255)
		for at < len(s) && s[at].hi < first {
			at++
		}
		for i := at; i < len(s) && s[i].lo <= last; i++ {
			for c := max(first, s[i].lo); c <= min(last, s[i].hi); c++ {
				bits[c>>6&3] |= 1 << (c & 63)
			}
		}
		n, ok := known[bits]
		if !ok {
			n = uint16(len(t.pages))
			known[bits] = n
			t.pages = append(t.pages, bits)
		}
		t.page[p] = n
	}
	t.ascii = [2]uint64(t.pages[t.page[0]][:2])
	return t
}

func (t *runeSet) has(r rune) bool {
	if uint32(r) < 128 {
		return t.ascii[r>>6]>>(uint(r)&63)&1 != 0
	}
	if uint32(r) > unicode.MaxRune {
		return false
	}
	return t.pages[t.page[r>>8]][r>>6&3]>>(uint(r)&63)&1 != 0
}
