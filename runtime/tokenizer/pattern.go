package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// searchLimit and textLimit bound one search and all searches of a text with a regular
// expression that came with the file and is not runs.
const (
	searchLimit = 2 * time.Second
	textLimit   = 10 * time.Second
)

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
	netExpr, err := translate(expr)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", expr, err)
	}
	// Multiline gives ^ and $ Oniguruma's meaning: at every line.
	re, err := regexp2.Compile(netExpr, regexp2.Multiline)
	if err != nil {
		return nil, fmt.Errorf("regex %q: %w", expr, err)
	}
	re.MatchTimeout = searchLimit
	return backtracker{re}, nil
}

// translate writes an expression in regexp2's syntax, or says what in it regexp2 would
// silently take for something else.
func translate(expr string) (string, error) {
	const word = `\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}` // \w has joiners there and lacks marks
	var out strings.Builder
	inClass := false
	for i := 0; i < len(expr); i++ {
		switch c := expr[i]; {
		case c == '\\' && i+1 < len(expr):
			i++
			switch e := expr[i]; {
			case strings.IndexByte("hHKRXyYO", e) >= 0, e == 'W' && inClass:
				return "", fmt.Errorf("\\%c is not supported here", e)
			case e == 'w' && inClass:
				out.WriteString(word)
			case e == 'w':
				out.WriteString("[" + word + "]")
			case e == 'W':
				out.WriteString("[^" + word + "]")
			default:
				out.WriteString(expr[i-1 : i+1])
			}
			continue
		case c == '[' && inClass:
			return "", errors.New("a class within a class is not supported here")
		case c == '[':
			inClass = true
		case c == ']':
			inClass = false
		case inClass && strings.HasPrefix(expr[i:], "&&"):
			return "", errors.New("the intersection of classes is not supported here")
		case !inClass && strings.HasPrefix(expr[i:], "}+"):
			return "", errors.New("a quantifier after a quantifier is not supported here")
		}
		out.WriteByte(expr[i])
	}
	return out.String(), nil
}

// backtracker runs any expression on regexp2.
type backtracker struct{ re *regexp2.Regexp }

func (b backtracker) each(s string, yield func(start, end int)) {
	runes, deadline := []rune(s), time.Now().Add(textLimit)
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
		if time.Now().After(deadline) {
			return
		}
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
