package tokenizer

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// atom reads one character or class outside brackets. The result is not nil, but may
// be empty.
func (p *compiler) atom() (ranges, error) {
	var class ranges
	var err error
	switch {
	case p.in == "" || strings.IndexByte("^(?*+{", p.in[0]) >= 0:
		return nil, errGeneral
	case p.eat("["):
		class, err = p.brackets()
	case p.eat("."):
		class = ranges{{'\n', '\n'}}.not()
	default:
		class, _, err = p.char()
	}
	if err != nil {
		return nil, err
	}
	if p.fold {
		if class.size() > foldLimit {
			return nil, errGeneral
		}
		class = class.fold()
	}
	return append(ranges{}, class...), nil
}

// brackets reads the rest of a class. As in Ruby, ^ negates all of it, && included.
func (p *compiler) brackets() (ranges, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, errGeneral
	}
	defer func() { p.depth-- }()
	negated := p.eat("^")
	if strings.HasPrefix(p.in, "]") || strings.HasPrefix(p.in, ":") {
		return nil, errGeneral // a literal ] or [:posix:]
	}
	class := ranges{{0, unicode.MaxRune}}
	for {
		part, last, err := p.union()
		if err != nil {
			return nil, err
		}
		class = class.and(part)
		if last {
			break
		}
	}
	if negated {
		class = class.not()
	}
	return class, nil
}

// union reads members of a class up to && or the closing bracket.
func (p *compiler) union() (class ranges, last bool, err error) {
	for {
		switch {
		case p.in == "":
			return nil, false, errGeneral
		case p.eat("]"):
			return class.tidy(), true, nil
		case p.eat("&&"):
			return class.tidy(), false, nil
		case p.eat("["):
			inner, err := p.brackets()
			if err != nil {
				return nil, false, err
			}
			class = append(class, inner...)
			continue
		}
		lo, single, err := p.char()
		if err != nil {
			return nil, false, err
		}
		if single && strings.HasPrefix(p.in, "-") && !strings.HasPrefix(p.in, "-]") {
			p.eat("-")
			hi, ok, err := p.char()
			if err != nil || !ok || hi[0].lo < lo[0].lo {
				return nil, false, errGeneral
			}
			lo[0].hi = hi[0].lo
		}
		class = append(class, lo...)
	}
}

// char reads a character or an escape. single tells that it is one character, which
// may begin a range.
func (p *compiler) char() (class ranges, single bool, err error) {
	if !p.eat(`\`) {
		c, n := utf8.DecodeRuneInString(p.in)
		if n == 0 {
			return nil, false, errGeneral
		}
		p.in = p.in[n:]
		return ranges{{c, c}}, true, nil
	}
	if p.in == "" || p.in[0] >= utf8.RuneSelf {
		return nil, false, errGeneral
	}
	c := p.in[0]
	p.in = p.in[1:]
	switch c {
	case 'n', 'r', 't', 'f', 'v', 'a', 'e':
		r := rune("\n\r\t\f\v\a\x1b"[strings.IndexByte("nrtfvae", c)])
		return ranges{{r, r}}, true, nil
	case 'x', 'u':
		r, err := p.hex(c)
		return ranges{{r, r}}, true, err
	case 's':
		return ofTable(unicode.White_Space), false, nil
	case 'S':
		return ofTable(unicode.White_Space).not(), false, nil
	case 'd':
		return namedSet("Nd"), false, nil
	case 'D':
		return namedSet("Nd").not(), false, nil
	case 'w':
		return wordSet(), false, nil
	case 'W':
		return wordSet().not(), false, nil
	case 'p', 'P':
		class, err := p.property(c == 'P')
		return class, false, err
	}
	if c <= ' ' || c == 0x7f || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
		return nil, false, errGeneral
	}
	return ranges{{rune(c), rune(c)}}, true, nil
}

// hex reads the rest of \xHH, \x{H…} or \uHHHH. Beyond ASCII \xHH is a byte, not a
// character, and is left to others.
func (p *compiler) hex(kind byte) (rune, error) {
	var digits string
	limit := uint64(unicode.MaxRune)
	switch {
	case kind == 'x' && p.eat("{"):
		var ok bool
		if digits, p.in, ok = strings.Cut(p.in, "}"); !ok {
			return 0, errGeneral
		}
	case kind == 'x' && len(p.in) >= 2:
		digits, p.in = p.in[:2], p.in[2:]
		limit = 0x7f
	case kind == 'u' && len(p.in) >= 4:
		digits, p.in = p.in[:4], p.in[4:]
	}
	r, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || r > limit {
		return 0, errGeneral
	}
	return rune(r), nil
}

// property reads the rest of \p{name} or \p{^name}.
func (p *compiler) property(negated bool) (ranges, error) {
	if !p.eat("{") {
		return nil, errGeneral
	}
	if p.eat("^") {
		negated = !negated
	}
	name, rest, ok := strings.Cut(p.in, "}")
	class := namedSet(name)
	if !ok || class == nil {
		return nil, errGeneral
	}
	p.in = rest
	if negated {
		class = class.not()
	}
	return class, nil
}
