package jinja

import (
	"math"
	"strconv"
	"strings"
)

// formatSpec is Python's format specification, as in "{:>8.2f}".
type formatSpec struct {
	fill      string
	align     byte // < > = ^, or 0 for the type's own
	sign      byte // + - space, or 0
	alt       bool
	width     int64
	comma     string // thousands separator
	precision int64  // -1: none
	verb      byte   // 0: none
}

func parseSpec(s string) (formatSpec, error) {
	spec := formatSpec{fill: " ", precision: -1}
	if first, rest := cutRune(s); rest != "" && strings.IndexByte("<>=^", rest[0]) >= 0 {
		spec.fill, spec.align, s = first, rest[0], rest[1:]
	} else if s != "" && strings.IndexByte("<>=^", s[0]) >= 0 {
		spec.align, s = s[0], s[1:]
	}
	if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
		spec.sign, s = s[0], s[1:]
	}
	if strings.HasPrefix(s, "#") {
		spec.alt, s = true, s[1:]
	}
	if strings.HasPrefix(s, "0") {
		s = s[1:]
		if spec.align == 0 {
			spec.fill, spec.align = "0", '='
		}
	}
	var err error
	if spec.width, s, err = leadingInt(s); err != nil {
		return spec, err
	}
	spec.width = max(spec.width, 0)
	if s != "" && (s[0] == ',' || s[0] == '_') {
		spec.comma, s = s[:1], s[1:]
	}
	if strings.HasPrefix(s, ".") {
		if spec.precision, s, err = leadingInt(s[1:]); err != nil {
			return spec, err
		}
		if spec.precision < 0 {
			return spec, failf("format specifier missing precision")
		}
	}
	if len(s) == 1 {
		spec.verb, s = s[0], ""
	}
	if s != "" {
		return spec, failf("invalid format specifier")
	}
	return spec, nil
}

// leadingInt reads digits; -1 if there are none.
func leadingInt(s string) (int64, string, error) {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n == 0 {
		return -1, s, nil
	}
	i, err := strconv.ParseInt(s[:n], 10, 32)
	if err != nil {
		return 0, s, failf("too many decimal digits in format string")
	}
	return i, s[n:], nil
}

// apply formats v by the specification.
func (f formatSpec) apply(r *run, v Value) (string, error) {
	if v.Kind() == IntKind || v.Kind() == BoolKind {
		if f.verb != 0 && strings.IndexByte("eEfFgG%", f.verb) >= 0 {
			n, _ := v.number()
			return f.float(r, n)
		}
		if f.precision >= 0 {
			return "", failf("precision not allowed in integer format specifier")
		}
		if f.verb == 0 || strings.IndexByte("dxXobnc", f.verb) >= 0 {
			return f.integer(r, v)
		}
	}
	if x, ok := v.v.(float64); ok && (f.verb == 0 || strings.IndexByte("eEfFgGn%", f.verb) >= 0) {
		return f.float(r, x)
	}
	s, ok := v.AsString()
	if !ok {
		return "", failf("unsupported format string passed to %s.__format__", typeName(v))
	}
	if f.verb != 0 && f.verb != 's' || f.sign != 0 || f.align == '=' && f.fill != "0" || f.comma != "" || f.alt {
		return "", failf("format specification is not for strings")
	}
	if f.precision >= 0 {
		s = s[:byteOffset(s, f.precision)]
	}
	if f.align == '=' {
		f.align = '<'
	}
	return f.padded(r, "", s, padRight)
}

// padded adds the fill around sign and body.
func (f formatSpec) padded(r *run, sign, body string, side padSide) (string, error) {
	switch f.align {
	case '<':
		side = padRight
	case '>':
		side = padLeft
	case '^':
		missing := max(0, f.width-int64(runeCount(sign+body)))
		if missing > int64(r.limits.Output) {
			return "", r.text(-1)
		}
		if err := r.text(int(missing) * len(f.fill)); err != nil {
			return "", err
		}
		left := strings.Repeat(f.fill, int(missing/2))
		return left + sign + body + strings.Repeat(f.fill, int(missing-missing/2)), nil
	case '=':
		body, err := r.pad(body, f.width-int64(len(sign)), f.fill, padLeft)
		return sign + body, err
	}
	return r.pad(sign+body, f.width, f.fill, side)
}

func (f formatSpec) signOf(negative bool) string {
	switch {
	case negative:
		return "-"
	case f.sign == '+' || f.sign == ' ':
		return string(f.sign)
	}
	return ""
}

func (f formatSpec) integer(r *run, v Value) (string, error) {
	if b, ok := v.v.(bool); ok {
		if f == (formatSpec{fill: " ", precision: -1}) {
			return scalarRepr(v), nil
		}
		v = Int(0)
		if b {
			v = Int(1)
		}
	}
	base, prefix := 10, ""
	switch f.verb {
	case 'x', 'X':
		base, prefix = 16, "0x"
	case 'o':
		base, prefix = 8, "0o"
	case 'b':
		base, prefix = 2, "0b"
	case 'c':
		text, err := charOf(v)
		if err != nil {
			return "", err
		}
		return f.padded(r, "", text, padRight)
	}
	var digits string
	switch x := v.v.(type) {
	case int64:
		digits = strconv.FormatInt(x, base)
	case bigInt:
		digits = x.Text(base)
	}
	digits, negative := strings.CutPrefix(digits, "-")
	if f.precision > 0 { // only the % operator gives integers a precision
		var err error
		if digits, err = r.pad(digits, f.precision, "0", padLeft); err != nil {
			return "", err
		}
	}
	digits = f.grouped(digits)
	sign := f.signOf(negative)
	if f.alt {
		sign += prefix
	}
	if f.verb == 'X' {
		sign, digits = strings.ToUpper(sign), strings.ToUpper(digits)
	}
	return f.padded(r, sign, digits, padLeft)
}

// grouped puts the separator between thousands of the leading digits.
func (f formatSpec) grouped(digits string) string {
	if f.comma == "" {
		return digits
	}
	n := 0
	for n < len(digits) && (isDigit(digits[n]) || digits[n] >= 'a' && digits[n] <= 'f' && f.verb == 'x') {
		n++
	}
	size := 3
	if strings.IndexByte("xXob", f.verb) >= 0 && f.verb != 0 {
		size = 4
	}
	var b strings.Builder
	for i := range n {
		if i > 0 && (n-i)%size == 0 {
			b.WriteString(f.comma)
		}
		b.WriteByte(digits[i])
	}
	return b.String() + digits[n:]
}

func (f formatSpec) float(r *run, x float64) (string, error) {
	if f.precision > 10_000 {
		return "", limitf("precision of more than 10000 digits")
	}
	negative := math.Signbit(x) && !math.IsNaN(x)
	text := f.digits(math.Abs(x))
	if f.verb != 0 && strings.IndexByte("EFG", f.verb) >= 0 {
		text = strings.ToUpper(text)
	}
	return f.padded(r, f.signOf(negative), f.grouped(text), padLeft)
}

// digits writes a float that is not negative.
func (f formatSpec) digits(x float64) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 0):
		if f.verb == '%' {
			return "inf%"
		}
		return "inf"
	}
	precision := int(f.precision)
	if precision < 0 {
		precision = 6
	}
	switch f.verb {
	case 'f', 'F':
		return strconv.FormatFloat(x, 'f', precision, 64)
	case '%':
		return strconv.FormatFloat(x*100, 'f', precision, 64) + "%"
	case 'e', 'E':
		return strconv.FormatFloat(x, 'e', precision, 64)
	case 0:
		if f.precision < 0 {
			return floatRepr(x)
		}
		text := general(x, max(precision, 1), f.alt)
		if !strings.ContainsAny(text, ".e") { // "1e+16" stays, "100" becomes "100.0"
			text += ".0"
			if len(text)-2 >= max(precision, 1) {
				text = strconv.FormatFloat(x, 'e', max(precision, 1)-1, 64)
			}
		}
		return text
	}
	return general(x, max(precision, 1), f.alt)
}

// general is the g format with the given number of significant digits.
func general(x float64, precision int, keepZeros bool) string {
	text := strconv.FormatFloat(x, 'e', precision-1, 64)
	at := strings.IndexByte(text, 'e')
	exp, _ := strconv.Atoi(text[at+1:])
	mantissa, tail := text[:at], text[at:]
	if exp >= -4 && exp < precision {
		mantissa, tail = strconv.FormatFloat(x, 'f', precision-1-exp, 64), ""
	}
	if strings.Contains(mantissa, ".") && !keepZeros {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	return mantissa + tail
}
