package jinja

import "math"

// maxRange is the greatest length of a range in jinja2's sandbox.
const maxRange = 100_000

// globals are the functions that every template sees. Variables of the same
// name hide them.
func globals() map[string]Value {
	return map[string]Value{
		"range":           {&function{"range", rangeFunc}},
		"dict":            {&function{"dict", dictFunc}},
		"namespace":       {&function{"namespace", namespaceFunc}},
		"cycler":          {&function{"cycler", cyclerFunc}},
		"joiner":          {&function{"joiner", joinerFunc}},
		"raise_exception": {&function{"raise_exception", raiseFunc}},
		"strftime_now":    {&function{"strftime_now", strftimeFunc}},
	}
}

func rangeFunc(_ *run, a args) (Value, error) {
	if err := a.positional("range()", 1, 3); err != nil {
		return Value{}, err
	}
	n := [3]int64{0, 0, 1}
	for i, v := range a.pos {
		x, ok := v.index()
		if !ok {
			return Value{}, failf("'%s' object cannot be interpreted as an integer", typeName(v))
		}
		n[i] = x
	}
	if len(a.pos) == 1 {
		n[0], n[1] = 0, n[0]
	}
	if n[2] == 0 {
		return Value{}, failf("range() arg 3 must not be zero")
	}
	count := spanLength(n[0], n[1], n[2])
	if count > maxRange || count < 0 {
		return Value{}, failf("range too big: the sandbox blocks ranges larger than %d", maxRange)
	}
	if last := float64(n[0]) + float64(count)*float64(n[2]); math.Abs(last) > 1<<62 {
		return Value{}, tooBig()
	}
	return Value{&span{n[0], n[1], n[2], count}}, nil
}

// dictFunc is dict(mapping or pairs, key=value, ...).
func dictFunc(r *run, a args) (Value, error) {
	if len(a.pos) > 1 {
		return Value{}, failf("dict expected at most 1 argument, got %d", len(a.pos))
	}
	d := NewDict()
	if len(a.pos) == 1 {
		if err := r.update(d, a.pos[0]); err != nil {
			return Value{}, err
		}
	}
	for i, name := range a.names {
		d.Set(name, a.named[i])
	}
	return d.Value(), nil
}

// update copies the entries of a mapping, or of a sequence of pairs, to d.
func (r *run) update(d *Dict, from Value) error {
	if m, ok := from.v.(*Dict); ok {
		if err := r.items(2 * m.Len()); err != nil {
			return err
		}
		for i, key := range m.keys {
			if err := d.set(&r.budget, key, m.values[i]); err != nil {
				return err
			}
		}
		return nil
	}
	if err := defined(from); err != nil {
		return err
	}
	pairs, err := r.iterate(from)
	if err != nil {
		return err
	}
	if err := r.items(2 * len(pairs)); err != nil {
		return err
	}
	for _, pair := range pairs {
		kv, err := r.iterate(pair)
		if err != nil {
			return err
		}
		if len(kv) != 2 {
			return failf("dictionary update sequence element has length %d; 2 is required", len(kv))
		}
		if err := d.set(&r.budget, kv[0], kv[1]); err != nil {
			return err
		}
	}
	return nil
}

func namespaceFunc(r *run, a args) (Value, error) {
	v, err := dictFunc(r, a)
	if err != nil {
		return v, err
	}
	ns := &namespace{NewDict()}
	attrs := v.Map()
	for i, key := range attrs.keys {
		name, ok := key.AsString()
		if !ok {
			continue // cannot be reached by a template
		}
		if err := ns.put(name, attrs.values[i]); err != nil {
			return Value{}, err
		}
	}
	return Value{ns}, nil
}

func cyclerFunc(_ *run, a args) (Value, error) {
	if len(a.pos) == 0 || len(a.names) > 0 {
		return Value{}, failf("at least one item has to be provided")
	}
	return Value{&cycler{items: a.pos}}, nil
}

func (c *cycler) attribute(name string) (Value, bool) {
	switch name {
	case "current":
		return c.items[c.pos], true
	case "next":
		return Value{&function{name, func(*run, args) (Value, error) {
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v, nil
		}}}, true
	case "reset":
		return Value{&function{name, func(*run, args) (Value, error) {
			c.pos = 0
			return Null(), nil
		}}}, true
	}
	return Value{}, false
}

// joinerFunc makes a function that gives nothing the first time and the
// separator from then on.
func joinerFunc(_ *run, a args) (Value, error) {
	b, err := a.bind("joiner()", 0, "sep")
	if err != nil {
		return Value{}, err
	}
	sep := b.opt(0, String(", "))
	used := false
	return Value{&function{"joiner", func(*run, args) (Value, error) {
		if used {
			return sep, nil
		}
		used = true
		return String(""), nil
	}}}, nil
}

func raiseFunc(r *run, a args) (Value, error) {
	b, err := a.bind("raise_exception()", 1, "message")
	if err != nil {
		return Value{}, err
	}
	text, err := r.str(b.values[0])
	if err != nil {
		return Value{}, err
	}
	return Value{}, &Error{Kind: KindRaised, Message: text}
}

func strftimeFunc(r *run, a args) (Value, error) {
	b, err := a.bind("strftime_now()", 1, "format")
	if err != nil {
		return Value{}, err
	}
	format, ok := b.values[0].AsString()
	if !ok {
		return Value{}, failf("strftime_now() argument must be str, not %s", typeName(b.values[0]))
	}
	if err := r.text(16 * len(format)); err != nil {
		return Value{}, err
	}
	return String(strftime(r.now, format)), nil
}
