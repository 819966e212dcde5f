package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// regexLimit bounds one search of a regular expression that came with the file.
const regexLimit = 2 * time.Second

// A pattern finds its matches in a text, left to right and without overlap.
type pattern interface {
	// each calls yield with the byte range of every match. No match is empty right
	// where the one before it ended. Ranges lie on character boundaries.
	each(s string, yield func(start, end int))
}

// parsePattern reads {"String": …} or {"Regex": …}.
func parsePattern(raw json.RawMessage) (pattern, error) {
	var p struct{ String, Regex *string }
	if err := json.Unmarshal(raw, &p); err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	switch {
	case p.String != nil && *p.String != "":
		return literal(*p.String), nil
	case p.String != nil:
		return compileRegex("")
	case p.Regex != nil:
		return compileRegex(*p.Regex)
	}
	return nil, errors.New(`pattern: neither "String" nor "Regex"`)
}

// literal is a non-empty string to be found as it is.
type literal string

func (l literal) each(s string, yield func(start, end int)) {
	for at := 0; ; {
		i := strings.Index(s[at:], string(l))
		if i < 0 {
			return
		}
		at += i + len(l)
		yield(at-len(l), at)
	}
}

// compileRegex compiles an expression in the syntax of Oniguruma, which the reference
// uses. Those in use are runs; the others go to regexp2, whose syntax is close to it.
func compileRegex(expr string) (pattern, error) {
	if r, err := compileRuns(expr); err == nil {
		return r, nil
	}
	if what := foreignSyntax(expr); what != "" {
		return nil, fmt.Errorf("regex %q: %s is not supported", expr, what)
	}
	// Multiline gives ^ and $ Oniguruma's meaning: at every line.
	re, err := regexp2.Compile(expr, regexp2.Multiline)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", expr, err)
	}
	re.MatchTimeout = regexLimit
	return backtracker{re}, nil
}

// foreignSyntax names what an expression holds that regexp2 would silently take for
// something else, or is empty.
func foreignSyntax(expr string) string {
	inClass := false
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case c == '\\':
			i++
			if i < len(expr) && strings.IndexByte("hHKRXyYO", expr[i]) >= 0 {
				return "\\" + expr[i:i+1]
			}
		case c == '[' && inClass:
			return "a class within a class"
		case c == '[':
			inClass = true
		case c == ']':
			inClass = false
		case inClass && strings.HasPrefix(expr[i:], "&&"):
			return "the intersection of classes"
		case !inClass && strings.HasPrefix(expr[i:], "}+"):
			return "a quantifier after a quantifier"
		}
	}
	return ""
}

// backtracker runs any expression on regexp2.
type backtracker struct{ re *regexp2.Regexp }

func (b backtracker) each(s string, yield func(start, end int)) {
	runes := []rune(s)
	m, err := b.re.FindRunesMatch(runes)
	atRune, atByte, last := 0, 0, -1
	for err == nil && m != nil {
		start := atByte + byteLen(runes[atRune:m.RuneIndex])
		end := start + byteLen(runes[m.RuneIndex:m.RuneIndex+m.RuneLength])
		if start != end || start != last {
			yield(start, end)
			last = end
		}
		atRune, atByte = m.RuneIndex+m.RuneLength, end
		m, err = b.re.FindNextMatch(m)
	}
}

// byteLen is the length of runes in UTF-8.
func byteLen(runes []rune) int {
	n := 0
	for _, r := range runes {
		switch {
		case r < 0x80:
			n++
		case r < 0x800:
			n += 2
		case r < 0x10000:
			n += 3
		default:
			n += 4
		}
	}
	return n
}
