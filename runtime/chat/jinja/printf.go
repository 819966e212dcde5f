package jinja

import (
	"math"
	"strconv"
	"strings"
)

// conversion is one %-directive.
type conversion struct {
	key       string
	hasKey    bool
	flags     string
	width     int64
	precision int64 // -1: none
	verb      byte
}

// printer walks a format string of the % operator.
type printer struct {
	r       *run
	out     buffer
	format  string
	pos     int
	operand Value
	values  []Value // positional arguments
	next    int
	escape  bool // the format is marked text: escape what goes in
}

// printf is Python's "format % operand"; escape is for marked formats.
func (r *run) printf(format string, operand Value, escape bool) (string, error) {
	p := &printer{r: r, out: buffer{b: &r.budget}, format: format, operand: operand, escape: escape}
	if t, ok := operand.v.(*tuple); ok {
		p.values = t.items
	} else {
		p.values = []Value{operand}
	}
	for {
		at := strings.IndexByte(format[p.pos:], '%')
		if at < 0 {
			break
		}
		if err := p.out.write(format[p.pos : p.pos+at]); err != nil {
			return "", err
		}
		p.pos += at + 1
		if err := p.directive(); err != nil {
			return "", err
		}
	}
	if err := p.out.write(format[p.pos:]); err != nil {
		return "", err
	}
	_, isTuple := operand.v.(*tuple)
	_, isText := operand.AsString()
	_, getable := operand.v.(*Dict)
	_, isList := operand.v.(*list)
	if p.next < len(p.values) && (isTuple || isText || !getable && !isList && !isUndefined(operand)) {
		return "", failf("not all arguments converted during string formatting")
	}
	return p.out.String(), nil
}

func (p *printer) take() (Value, error) {
	if p.next >= len(p.values) {
		return Value{}, failf("not enough arguments for format string")
	}
	p.next++
	return p.values[p.next-1], nil
}

// directive reads one conversion after its % and writes its text.
func (p *printer) directive() error {
	c, err := p.parse()
	if err != nil {
		return err
	}
	if c.verb == '%' {
		return p.out.write("%")
	}
	var v Value
	if c.hasKey {
		d, ok := p.operand.v.(*Dict)
		if !ok {
			return failf("format requires a mapping")
		}
		if v, ok = d.Get(c.key); !ok {
			return failf("no key '%.60s' for the format string", c.key)
		}
	} else if v, err = p.take(); err != nil {
		return err
	}
	text, err := p.convert(c, v)
	if err != nil {
		return err
	}
	side := padLeft
	if strings.Contains(c.flags, "-") {
		side = padRight
	}
	if text, err = p.r.pad(text, c.width, " ", side); err != nil {
		return err
	}
	return p.out.write(text)
}

func (p *printer) peek() byte {
	if p.pos < len(p.format) {
		return p.format[p.pos]
	}
	return 0
}

func (p *printer) parse() (conversion, error) {
	c := conversion{precision: -1}
	if p.peek() == '(' {
		end := strings.IndexByte(p.format[p.pos:], ')')
		if end < 0 {
			return c, failf("incomplete format key")
		}
		c.key, c.hasKey = p.format[p.pos+1:p.pos+end], true
		p.pos += end + 1
	}
	start := p.pos
	for p.peek() != 0 && strings.IndexByte("-+ #0", p.peek()) >= 0 {
		p.pos++
	}
	c.flags = p.format[start:p.pos]
	var err error
	if c.width, err = p.size(); err != nil {
		return c, err
	}
	if c.width < 0 {
		c.width = -c.width
		c.flags += "-"
	}
	if p.peek() == '.' {
		p.pos++
		if c.precision, err = p.size(); err != nil {
			return c, err
		}
		c.precision = max(c.precision, 0)
	}
	for p.peek() != 0 && strings.IndexByte("hlL", p.peek()) >= 0 {
		p.pos++
	}
	if c.verb = p.peek(); c.verb == 0 {
		return c, failf("incomplete format")
	}
	p.pos++
	return c, nil
}

// size reads digits, or takes a * from the arguments.
func (p *printer) size() (int64, error) {
	if p.peek() == '*' {
		p.pos++
		v, err := p.take()
		if err != nil {
			return 0, err
		}
		n, ok := v.index()
		if !ok || n > math.MaxInt32 || n < -math.MaxInt32 {
			return 0, failf("* wants int")
		}
		return n, nil
	}
	start := p.pos
	for isDigit(p.peek()) {
		p.pos++
	}
	if start == p.pos {
		return 0, nil
	}
	n, err := strconv.ParseInt(p.format[start:p.pos], 10, 32)
	if err != nil {
		return 0, failf("width too big")
	}
	return n, nil
}

func (p *printer) convert(c conversion, v Value) (string, error) {
	switch c.verb {
	case 's', 'r', 'a':
		show := p.r.str
		if c.verb != 's' {
			show = p.r.repr
		}
		text, err := show(v)
		if c.verb == 'a' {
			text = asciiOnly(text)
		}
		if p.escape && !(c.verb == 's' && isMarkup(v)) {
			text = escapeHTML(text)
		}
		if err == nil && c.precision >= 0 {
			text = text[:byteOffset(text, c.precision)]
		}
		return text, err
	case 'c':
		return charOf(v)
	}
	if err := defined(v); err != nil {
		return "", err
	}
	spec := formatSpec{fill: " ", width: c.width, precision: c.precision, verb: c.verb, alt: strings.Contains(c.flags, "#")}
	switch {
	case strings.Contains(c.flags, "+"):
		spec.sign = '+'
	case strings.Contains(c.flags, " "):
		spec.sign = ' '
	}
	if strings.Contains(c.flags, "0") && !strings.Contains(c.flags, "-") {
		spec.align, spec.fill = '=', "0"
	} else {
		spec.width = 0
	}
	switch c.verb {
	case 'd', 'i', 'u':
		spec.verb = 'd'
		f, isFloat := v.v.(float64)
		if isFloat {
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return "", failf("cannot convert float %s to integer", floatRepr(f))
			}
			v = truncate(f)
		}
		fallthrough
	case 'x', 'X', 'o':
		if _, ok := v.index(); !ok && v.Kind() != IntKind {
			return "", failf("%%%c format: a number is required, not %s", c.verb, typeName(v))
		}
		return spec.integer(p.r, v)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		f, ok := v.number()
		if !ok {
			return "", failf("must be real number, not %s", typeName(v))
		}
		return spec.float(p.r, f)
	}
	return "", failf("unsupported format character '%c'", c.verb)
}

func charOf(v Value) (string, error) {
	if s, ok := v.AsString(); ok && runeCount(s) == 1 {
		return s, nil
	}
	if i, ok := v.index(); ok && i >= 0 && i <= 0x10ffff {
		return string(rune(i)), nil
	}
	return "", failf("%%c requires int or char")
}

func asciiOnly(s string) string {
	var b strings.Builder
	for _, c := range s {
		switch {
		case c < 0x80:
			b.WriteRune(c)
		default:
			b.WriteString(escapeRune(c))
		}
	}
	return b.String()
}
