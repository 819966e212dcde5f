package jinja

import (
	"strconv"
	"strings"
)

// attrPath follows a path such as "function.name" or 0 from item. If def is
// given, it stands in for every undefined value on the way.
func (r *run) attrPath(item, path, def Value, hasDef bool) (Value, error) {
	parts := []Value{path}
	if s, ok := path.AsString(); ok {
		if err := r.step(len(s)); err != nil {
			return Value{}, err
		}
		parts = parts[:0]
		for _, part := range strings.Split(s, ".") {
			if i, err := strconv.ParseInt(part, 10, 64); err == nil && isDigit(part[0]) {
				parts = append(parts, Int(i))
			} else {
				parts = append(parts, String(part))
			}
		}
	}
	for _, part := range parts {
		var err error
		if item, err = r.item(item, part); err != nil {
			return Value{}, err
		}
		if hasDef && isUndefined(item) {
			item = def
		}
	}
	return item, nil
}

func listFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("list", 0, 0); err != nil {
		return Value{}, err
	}
	items, err := r.iterate(x)
	return List(items...), err
}

func firstFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("first", 0, 0); err != nil {
		return Value{}, err
	}
	if s, ok := x.AsString(); ok {
		if c, ok := runeAt(s, 0); ok {
			return String(c), nil
		}
	}
	if it, ok := x.v.(*iter); ok {
		if it.pos < len(it.items) {
			it.pos++
			return it.items[it.pos-1], nil
		}
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	if len(items) == 0 {
		return undefinedHint("No first item, sequence was empty."), nil
	}
	return items[0], nil
}

func lastFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("last", 0, 0); err != nil {
		return Value{}, err
	}
	if _, ok := x.v.(*iter); ok || !iterable(x) {
		return Value{}, failf("'%s' object is not reversible", typeName(x))
	}
	if s, ok := x.AsString(); ok {
		if c, ok := runeAt(s, -1); ok {
			return String(c), nil
		}
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	if len(items) == 0 {
		return undefinedHint("No last item, sequence was empty."), nil
	}
	return items[len(items)-1], nil
}

func itemsFilter(_ *run, x Value, a args) (Value, error) {
	if err := a.positional("items", 0, 0); err != nil {
		return Value{}, err
	}
	if isUndefined(x) {
		return generator(nil), nil
	}
	d, ok := x.v.(*Dict)
	if !ok {
		return Value{}, failf("can only get item pairs from a mapping")
	}
	return generator((&view{"dict_items", d}).items()), nil
}

func joinFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("join", 0, "d", "attribute")
	if err != nil {
		return Value{}, err
	}
	sep, err := r.str(b.opt(0, String("")))
	if err != nil {
		return Value{}, err
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	out := buffer{b: &r.budget}
	for i, item := range items {
		if !b.values[1].IsNull() {
			if item, err = r.attrPath(item, b.values[1], Value{}, false); err != nil {
				return Value{}, err
			}
		}
		text, err := r.str(item)
		if err != nil {
			return Value{}, err
		}
		if i > 0 {
			if err := out.write(sep); err != nil {
				return Value{}, err
			}
		}
		if err := out.write(text); err != nil {
			return Value{}, err
		}
	}
	return String(out.String()), nil
}

func reverseFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("reverse", 0, 0); err != nil {
		return Value{}, err
	}
	if _, ok := x.AsString(); ok {
		back := int64(-1)
		return r.slice(x, [3]*int64{nil, nil, &back})
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, failf("argument must be iterable")
	}
	if err := r.items(len(items)); err != nil {
		return Value{}, err
	}
	back := make([]Value, len(items))
	for i, item := range items {
		back[len(items)-1-i] = item
	}
	if _, ok := x.v.(*iter); ok {
		return List(back...), nil // a generator cannot be reversed; Python makes a list
	}
	return Value{&iter{name: "reversed", items: back}}, nil
}

// batchFilter cuts the items into lists of the given length.
func batchFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("batch", 1, "linecount", "fill_with")
	if err != nil {
		return Value{}, err
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	f, ok := b.values[0].number()
	if !ok && len(items) > 0 {
		return Value{}, failf("batch needs a number, not %s", typeName(b.values[0]))
	}
	n, isInt := b.values[0].index()
	if !isInt {
		n = -1 // a float is never equal to a length unless whole
		if f == float64(int64(f)) {
			n = int64(f)
		}
	}
	var rows []Value
	var row []Value
	if err := r.items(2 * len(items)); err != nil {
		return Value{}, err
	}
	for _, item := range items {
		if int64(len(row)) == n {
			rows = append(rows, List(row...))
			row = nil
		}
		row = append(row, item)
	}
	if fill := b.values[1]; len(row) > 0 && !fill.IsNull() && int64(len(row)) < n {
		missing := n - int64(len(row))
		if missing > int64(r.limits.Alloc) {
			return Value{}, r.items(-1)
		}
		if err := r.items(int(missing)); err != nil {
			return Value{}, err
		}
		for range missing {
			row = append(row, fill)
		}
	}
	if len(row) > 0 {
		rows = append(rows, List(row...))
	}
	return generator(rows), nil
}

// sliceFilter spreads the items over the given number of lists.
func sliceFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("slice", 1, "slices", "fill_with")
	if err != nil {
		return Value{}, err
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	n, err := b.int(0, 0)
	if err != nil {
		return Value{}, err
	}
	if n == 0 {
		return Value{}, failf("integer division or modulo by zero")
	}
	if n > int64(r.limits.Alloc) {
		return Value{}, r.items(-1)
	}
	if err := r.items(len(items) + 2*int(max(n, 0))); err != nil {
		return Value{}, err
	}
	var columns []Value
	at := 0
	for i := range max(n, 0) {
		size := len(items) / int(n)
		extra := i < int64(len(items))%n
		if extra {
			size++
		}
		column := append([]Value(nil), items[at:at+size]...)
		at += size
		if !extra && !b.values[1].IsNull() {
			column = append(column, b.values[1])
		}
		columns = append(columns, List(column...))
	}
	return generator(columns), nil
}

// mapFilter applies a filter to each item, or takes an attribute of each.
func mapFilter(r *run, x Value, a args) (Value, error) {
	if !truthy(x) {
		return generator(nil), nil
	}
	each, err := mapper(a)
	if err != nil {
		return Value{}, err
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	if err := r.items(len(items)); err != nil {
		return Value{}, err
	}
	mapped := make([]Value, len(items))
	for i, item := range items {
		if mapped[i], err = each(r, item); err != nil {
			return Value{}, err
		}
	}
	return generator(mapped), nil
}

func mapper(a args) (func(*run, Value) (Value, error), error) {
	path, ok := a.take("attribute")
	if len(a.pos) == 0 && ok {
		def, hasDef := a.take("default")
		for _, name := range a.names {
			if name != "attribute" && name != "default" {
				return nil, failf("unexpected keyword argument '%s'", name)
			}
		}
		hasDef = hasDef && !def.IsNull()
		return func(r *run, item Value) (Value, error) { return r.attrPath(item, path, def, hasDef) }, nil
	}
	if len(a.pos) == 0 {
		return nil, failf("map requires a filter argument")
	}
	name, _ := a.pos[0].AsString()
	rest := args{a.pos[1:], a.names, a.named}
	return func(r *run, item Value) (Value, error) { return r.filter(name, item, rest) }, nil
}

// selectFilter makes select (keep) or reject, of the items themselves or by an
// attribute.
func selectFilter(keep, byAttr bool) filterFunc {
	return func(r *run, x Value, a args) (Value, error) {
		if !truthy(x) {
			return generator(nil), nil
		}
		var path Value
		if byAttr {
			if len(a.pos) == 0 {
				return Value{}, failf("missing parameter for attribute name")
			}
			path, a.pos = a.pos[0], a.pos[1:]
		}
		items, err := r.iterate(x)
		if err != nil {
			return Value{}, err
		}
		if err := r.items(len(items)); err != nil {
			return Value{}, err
		}
		var kept []Value
		for _, item := range items {
			v := item
			if byAttr {
				if v, err = r.attrPath(item, path, Value{}, false); err != nil {
					return Value{}, err
				}
			}
			ok, err := r.holds(v, a)
			if err != nil {
				return Value{}, err
			}
			if ok == keep {
				kept = append(kept, item)
			}
		}
		return generator(kept), nil
	}
}

// holds applies the test that select was given, or truth.
func (r *run) holds(v Value, a args) (bool, error) {
	if len(a.pos) == 0 {
		return truthy(v), nil
	}
	name, _ := a.pos[0].AsString()
	return r.test(name, v, args{a.pos[1:], a.names, a.named})
}
