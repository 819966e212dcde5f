package jinja

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// str is Python's str(): how a value prints.
func (r *run) str(v Value) (string, error) {
	switch x := v.v.(type) {
	case string:
		return x, nil
	case markup:
		return string(x), nil
	case *undefined:
		return "", nil
	}
	return r.repr(v)
}

// repr is Python's repr(): how a value prints inside a list.
func (r *run) repr(v Value) (string, error) {
	b := buffer{b: &r.budget}
	err := writeRepr(&b, v, 0)
	return b.String(), err
}

func writeRepr(b *buffer, v Value, depth int) error {
	if depth > maxDataDepth {
		return limitf("value nested more than %d deep", maxDataDepth)
	}
	if err := b.b.step(1); err != nil {
		return err
	}
	switch x := v.v.(type) {
	case *list:
		return writeSequence(b, "[", x.items, "]", depth)
	case *tuple:
		if len(x.items) == 1 {
			return writeSequence(b, "(", x.items, ",)", depth)
		}
		return writeSequence(b, "(", x.items, ")", depth)
	case *group:
		return writeSequence(b, "(", []Value{x.key, List(x.items...)}, ")", depth)
	case *Dict:
		return writeDict(b, x, depth)
	case *view:
		return writeSequence(b, x.name+"([", x.items(), "])", depth)
	case *namespace:
		if err := b.write("<Namespace "); err != nil {
			return err
		}
		if err := writeDict(b, x.attrs, depth); err != nil {
			return err
		}
		return b.write(">")
	}
	return b.write(scalarRepr(v))
}

func writeSequence(b *buffer, open string, items []Value, closing string, depth int) error {
	if err := b.write(open); err != nil {
		return err
	}
	for i, item := range items {
		if i > 0 {
			if err := b.write(", "); err != nil {
				return err
			}
		}
		if err := writeRepr(b, item, depth+1); err != nil {
			return err
		}
	}
	return b.write(closing)
}

func writeDict(b *buffer, d *Dict, depth int) error {
	sep := "{"
	for i, key := range d.keys {
		if err := b.write(sep); err != nil {
			return err
		}
		if err := writeRepr(b, key, depth+1); err != nil {
			return err
		}
		if err := b.write(": "); err != nil {
			return err
		}
		if err := writeRepr(b, d.values[i], depth+1); err != nil {
			return err
		}
		sep = ", "
	}
	if d.Len() == 0 {
		return b.write("{}")
	}
	return b.write("}")
}

func scalarRepr(v Value) string {
	switch x := v.v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(x, 10)
	case bigInt:
		return x.String()
	case float64:
		return floatRepr(x)
	case string:
		return stringRepr(x)
	case markup:
		return "Markup(" + stringRepr(string(x)) + ")"
	case *undefined:
		return "Undefined"
	case *span:
		if x.step == 1 {
			return fmt.Sprintf("range(%d, %d)", x.start, x.stop)
		}
		return fmt.Sprintf("range(%d, %d, %d)", x.start, x.stop, x.step)
	case *macro:
		return "<Macro " + stringRepr(x.def.name) + ">"
	case *loop:
		return fmt.Sprintf("<LoopContext %d/%d>", x.index0+1, len(x.items))
	}
	return "<" + typeName(v) + " object>"
}

// floatRepr is Python's repr of a float: the shortest text that reads back as
// the same number, with a point or an exponent.
func floatRepr(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	at := strings.IndexByte(text, 'e')
	exp, _ := strconv.Atoi(text[at+1:])
	if exp < -4 || exp >= 16 {
		return text
	}
	text = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// stringRepr quotes as Python does: single quotes unless the text has some and
// no double ones; what cannot be printed is escaped.
func stringRepr(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, c := range s {
		switch {
		case c == quote || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == ' ' || unicode.IsPrint(c):
			b.WriteRune(c)
		default:
			b.WriteString(escapeRune(c))
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// escapeRune is a rune as Python writes one that it does not show: \xe9, \u20ac, \U0001f600.
func escapeRune(c rune) string {
	switch {
	case c < 0x100:
		return `\x` + hex(c, 2)
	case c < 0x10000:
		return `\u` + hex(c, 4)
	default:
		return `\U` + hex(c, 8)
	}
}

func hex(c rune, width int) string {
	text := strconv.FormatInt(int64(c), 16)
	return strings.Repeat("0", max(0, width-len(text))) + text
}

func runeCount(s string) int { return utf8.RuneCountInString(s) }
