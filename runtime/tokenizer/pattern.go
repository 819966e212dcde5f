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
// uses.
func compileRegex(expr string) (pattern, error) {
	if strings.Contains(expr, "&&") {
		return nil, fmt.Errorf("regex %q: set intersection (&&) is not supported", expr)
	}
	// Multiline gives ^ and $ Oniguruma's meaning: at every line.
	re, err := regexp2.Compile(expr, regexp2.Multiline)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", expr, err)
	}
	re.MatchTimeout = regexLimit
	return backtracker{re}, nil
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
