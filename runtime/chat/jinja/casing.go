package jinja

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/language"
)

// upper and lower follow Unicode's full mappings, as Python does: 'ß' has the
// upper case 'SS', and a final sigma its own lower case.
func upper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	return cases.Upper(language.Und).String(s)
}

func lower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	return cases.Lower(language.Und).String(s)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// titleRune is the title case of the first character of a word.
func titleRune(c rune) string {
	if t := unicode.ToTitle(c); t != c || !unicode.IsLower(c) {
		return string(t)
	}
	full := upper(string(c)) // such as 'ß', which has no title case of its own
	first, rest := cutRune(full)
	return first + lower(rest)
}

func cutRune(s string) (first, rest string) {
	for _, c := range s {
		n := len(string(c))
		return s[:n], s[n:]
	}
	return "", ""
}

// capitalize is str.capitalize.
func capitalize(s string) string {
	for _, c := range s {
		return titleRune(c) + lower(s[len(string(c)):])
	}
	return ""
}

// titleMethod is str.title: every run of letters begins with a title case.
func titleMethod(s string) string {
	var b strings.Builder
	inWord := false
	for _, c := range s {
		cased := unicode.IsLetter(c) && (unicode.IsUpper(c) || unicode.IsLower(c) || unicode.IsTitle(c))
		switch {
		case cased && inWord:
			b.WriteString(lower(string(c)))
		case cased:
			b.WriteString(titleRune(c))
		default:
			b.WriteRune(c)
		}
		inWord = cased
	}
	return b.String()
}

// titleFilter is the title filter: words begin after spaces, hyphens and
// opening brackets only, so "it's" stays one word.
func titleFilter(s string) string {
	var b strings.Builder
	start := true
	var word strings.Builder
	flush := func() {
		b.WriteString(lower(word.String()))
		word.Reset()
	}
	for _, c := range s {
		separator := isSpace(c) || strings.ContainsRune("-({[<", c)
		switch {
		case separator:
			flush()
			b.WriteRune(c)
		case start:
			b.WriteString(upper(string(c)))
		default:
			word.WriteRune(c)
		}
		start = separator
	}
	flush()
	return b.String()
}

func swapcase(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case unicode.IsUpper(c):
			b.WriteString(lower(string(c)))
		case unicode.IsLower(c):
			b.WriteString(upper(string(c)))
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
