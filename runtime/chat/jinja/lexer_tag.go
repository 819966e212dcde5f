package jinja

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The operators, longest first where one begins another.
//
//nolint:gochecknoglobals // never written to
var operators = [...]string{
	"//", "**", "==", "!=", ">=", "<=",
	"+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
}

var (
	floatPattern   = regexp.MustCompile(`^(\d+_)*\d+((\.(\d+_)*\d+)?[eE][+\-]?(\d+_)*\d+|\.(\d+_)*\d+)`)
	integerPattern = regexp.MustCompile(`^(0[bB](_?[01])+|0[oO](_?[0-7])+|0[xX](_?[0-9a-fA-F])+|[1-9](_?\d)*|0(_?0)*)`)
)

// inside reads the tokens of a tag up to and with its end.
func (l *lexer) inside(end tokenKind) error {
	var brackets []byte // the closing brackets still due
	for l.pos < len(l.src) {
		rest := l.rest()
		if len(brackets) == 0 && l.tagEnd(end) {
			return nil
		}
		if n := len(rest) - len(strings.TrimLeftFunc(rest, isSpace)); n > 0 {
			l.advance(n)
			continue
		}
		switch {
		case l.number(rest):
		case l.name(rest):
		case rest[0] == '\'' || rest[0] == '"':
			if err := l.stringLiteral(rest); err != nil {
				return err
			}
		default:
			op := operatorAt(rest)
			if op == "" {
				r, _ := utf8.DecodeRuneInString(rest)
				return l.fail("unexpected character %q", r)
			}
			var err error
			if brackets, err = l.balance(brackets, op); err != nil {
				return err
			}
			l.emit(tokOperator, op)
			l.advance(len(op))
		}
	}
	return nil // the parser reports the missing end with what it was reading
}

// tagEnd reads %} or }} with its white space control.
func (l *lexer) tagEnd(end tokenKind) bool {
	closing := "%}"
	if end == tokVariableEnd {
		closing = "}}"
	}
	sign, n := signAt(l.rest(), 0)
	if end == tokVariableEnd && sign == '+' || !strings.HasPrefix(l.rest()[n:], closing) {
		return false
	}
	l.emit(end, closing)
	l.advance(n + 2)
	if end == tokBlockEnd || sign == '-' {
		l.afterBlock(sign)
	}
	return true
}

func (l *lexer) balance(brackets []byte, op string) ([]byte, error) {
	switch op {
	case "(":
		return append(brackets, ')'), nil
	case "[":
		return append(brackets, ']'), nil
	case "{":
		return append(brackets, '}'), nil
	case ")", "]", "}":
		if len(brackets) == 0 {
			return nil, l.fail("unexpected '%s'", op)
		}
		last := len(brackets) - 1
		if brackets[last] != op[0] {
			return nil, l.fail("unexpected '%s', expected '%c'", op, brackets[last])
		}
		return brackets[:last], nil
	}
	return brackets, nil
}

func operatorAt(s string) string {
	for _, op := range operators {
		if strings.HasPrefix(s, op) {
			return op
		}
	}
	return ""
}

func (l *lexer) number(rest string) bool {
	if rest[0] < '0' || rest[0] > '9' {
		return false
	}
	// "x.0.5" is two subscripts, not a float after a dot.
	if l.pos == 0 || l.src[l.pos-1] != '.' {
		if m := floatPattern.FindString(rest); m != "" {
			l.emit(tokFloat, strings.ReplaceAll(m, "_", ""))
			l.advance(len(m))
			return true
		}
	}
	m := integerPattern.FindString(rest)
	l.emit(tokInteger, strings.ReplaceAll(m, "_", ""))
	l.advance(len(m))
	return m != ""
}

func (l *lexer) name(rest string) bool {
	n := 0
	for i, r := range rest {
		if r != '_' && !unicode.IsLetter(r) && (i == 0 || !unicode.IsDigit(r) && !unicode.Is(unicode.Mn, r)) {
			break
		}
		n = i + utf8.RuneLen(r)
	}
	if n > 0 {
		l.emit(tokName, rest[:n])
		l.advance(n)
	}
	return n > 0
}

func (l *lexer) stringLiteral(rest string) error {
	quote := rest[0]
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case quote:
			text, err := unescape(rest[1:i])
			if err != "" {
				return l.fail("%s", err)
			}
			l.emit(tokString, text)
			l.advance(i + 1)
			return nil
		}
	}
	return l.fail("string literal has no end")
}

// unescape resolves the escapes of a Python string literal; an escape that
// Python does not know stays as it is. The second result is an error message.
func unescape(s string) (string, string) {
	if !strings.Contains(s, `\`) {
		return s, ""
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 >= len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		c := s[i]
		if at := strings.IndexByte("\n\\'\"abfnrtv", c); at >= 0 {
			b.WriteString([...]string{"", "\\", "'", "\"", "\a", "\b", "\f", "\n", "\r", "\t", "\v"}[at])
			continue
		}
		switch {
		case c == 'x' || c == 'u' || c == 'U':
			n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
			if len(s) < i+1+n {
				return "", "truncated \\" + string(c) + " escape in a string"
			}
			code, err := strconv.ParseUint(s[i+1:i+1+n], 16, 32)
			if err != nil || code > unicode.MaxRune {
				return "", "wrong \\" + string(c) + " escape in a string"
			}
			b.WriteRune(rune(code)) // a surrogate becomes U+FFFD
			i += n
		case c >= '0' && c <= '7':
			n := 1
			for n < 3 && i+n < len(s) && s[i+n] >= '0' && s[i+n] <= '7' {
				n++
			}
			code, _ := strconv.ParseUint(s[i:i+n], 8, 32)
			b.WriteRune(rune(code))
			i += n - 1
		case c == 'N':
			return "", "\\N escapes are not supported in strings"
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
	return b.String(), ""
}

// isSpace is Python's str.isspace for one character.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}
