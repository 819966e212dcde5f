package jinja

import (
	"math"
	"sort"
	"strings"
)

// jsonStyle holds the arguments of Python's json.dumps that templates use.
type jsonStyle struct {
	ensureASCII bool
	indent      string // of one level; used if pretty
	pretty      bool
	itemSep     string
	keySep      string
	sortKeys    bool
}

// tojsonFilter is transformers' tojson: json.dumps with ensure_ascii off.
func tojsonFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("tojson", 0, "ensure_ascii", "indent", "separators", "sort_keys")
	if err != nil {
		return Value{}, err
	}
	style := jsonStyle{
		ensureASCII: truthy(b.values[0]),
		sortKeys:    truthy(b.values[3]),
		itemSep:     ", ",
		keySep:      ": ",
	}
	switch indent := b.values[1]; {
	case indent.Kind() == StringKind:
		style.indent, _ = indent.AsString()
		style.pretty = true
	case !indent.IsNull():
		n, err := b.int(1, 0)
		if err != nil {
			return Value{}, err
		}
		if err := r.text(int(min(max(n, 0), math.MaxInt32))); err != nil {
			return Value{}, err
		}
		style.indent, style.pretty = strings.Repeat(" ", int(max(n, 0))), true
	}
	if style.pretty {
		style.itemSep = ","
	}
	if seps := b.values[2]; !seps.IsNull() {
		pair, err := r.iterate(seps)
		if err != nil {
			return Value{}, err
		}
		if len(pair) != 2 || pair[0].Kind() != StringKind || pair[1].Kind() != StringKind {
			return Value{}, failf("separators must be two strings")
		}
		style.itemSep, _ = pair[0].AsString()
		style.keySep, _ = pair[1].AsString()
	}
	w := jsonWriter{buffer{b: &r.budget}, style, r}
	err = w.value(x, 0)
	return String(w.String()), err
}

type jsonWriter struct {
	buffer
	jsonStyle
	r *run
}

func (w *jsonWriter) value(v Value, depth int) error {
	if depth > maxDataDepth {
		return limitf("value nested more than %d deep", maxDataDepth)
	}
	if err := w.b.step(1); err != nil {
		return err
	}
	switch x := v.v.(type) {
	case nil:
		return w.write("null")
	case bool:
		if x {
			return w.write("true")
		}
		return w.write("false")
	case int64, bigInt:
		return w.write(scalarRepr(v))
	case float64:
		return w.write(jsonFloat(x))
	case string:
		return w.quoted(x)
	case markup:
		return w.quoted(string(x))
	case *list:
		return w.array(x.items, depth)
	case *tuple:
		return w.array(x.items, depth)
	case *group:
		return w.array([]Value{x.key, List(x.items...)}, depth)
	case *Dict:
		return w.object(x, depth)
	}
	return failf("object of type %s is not JSON serializable", typeName(v))
}

func jsonFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return floatRepr(f)
}

func (w *jsonWriter) newline(depth int) error {
	if !w.pretty {
		return nil
	}
	if err := w.write("\n"); err != nil {
		return err
	}
	for range depth {
		if err := w.write(w.indent); err != nil {
			return err
		}
	}
	return nil
}

// between writes what stands before the i-th element.
func (w *jsonWriter) between(i, depth int) error {
	if i > 0 {
		if err := w.write(w.itemSep); err != nil {
			return err
		}
	}
	return w.newline(depth + 1)
}

func (w *jsonWriter) array(items []Value, depth int) error {
	if len(items) == 0 {
		return w.write("[]")
	}
	if err := w.write("["); err != nil {
		return err
	}
	for i, item := range items {
		if err := w.between(i, depth); err != nil {
			return err
		}
		if err := w.value(item, depth+1); err != nil {
			return err
		}
	}
	if err := w.newline(depth); err != nil {
		return err
	}
	return w.write("]")
}

func (w *jsonWriter) object(d *Dict, depth int) error {
	if d.Len() == 0 {
		return w.write("{}")
	}
	order, err := w.order(d)
	if err != nil {
		return err
	}
	if err := w.write("{"); err != nil {
		return err
	}
	for i, at := range order {
		if err := w.between(i, depth); err != nil {
			return err
		}
		if err := w.key(d.keys[at]); err != nil {
			return err
		}
		if err := w.write(w.keySep); err != nil {
			return err
		}
		if err := w.value(d.values[at], depth+1); err != nil {
			return err
		}
	}
	if err := w.newline(depth); err != nil {
		return err
	}
	return w.write("}")
}

// order gives the positions of d's entries in the order of output.
func (w *jsonWriter) order(d *Dict) ([]int, error) {
	order := make([]int, d.Len())
	for i := range order {
		order[i] = i
	}
	if !w.sortKeys {
		return order, nil
	}
	var failed error
	sort.SliceStable(order, func(i, j int) bool {
		c, _, err := w.r.order("<", d.keys[order[i]], d.keys[order[j]], 0)
		if err != nil {
			failed = err
		}
		return c < 0
	})
	return order, failed
}

// key writes a key as json.dumps does: scalars become strings.
func (w *jsonWriter) key(v Value) error {
	switch x := v.v.(type) {
	case nil:
		return w.write(`"null"`)
	case bool:
		if x {
			return w.write(`"true"`)
		}
		return w.write(`"false"`)
	case int64, bigInt:
		return w.quoted(scalarRepr(v))
	case float64:
		return w.quoted(jsonFloat(x))
	}
	s, ok := v.AsString()
	if !ok {
		return failf("keys must be str, int, float, bool or None, not %s", typeName(v))
	}
	return w.quoted(s)
}

// quoted writes a JSON string; only quotes, backslashes and control characters
// are escaped, unless ensure_ascii is on.
func (w *jsonWriter) quoted(s string) error {
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\f':
			b.WriteString(`\f`)
		case c < 0x20 || w.ensureASCII && c > 0x7e && c < 0x10000:
			b.WriteString(`\u` + hex(c, 4))
		case w.ensureASCII && c >= 0x10000:
			c -= 0x10000
			b.WriteString(`\u` + hex(0xd800+c>>10, 4) + `\u` + hex(0xdc00+c&0x3ff, 4))
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return w.write(b.String())
}
