package jinja

// filterFunc computes "x | filter(args)".
type filterFunc func(r *run, x Value, a args) (Value, error)

// filterNamed finds a filter; nil if there is none of that name.
func filterNamed(name string) filterFunc {
	switch name {
	case "abs":
		return absFilter
	case "attr":
		return attrFilter
	case "batch":
		return batchFilter
	case "capitalize":
		return textFilter(capitalize)
	case "center":
		return centerFilter
	case "count", "length":
		return lengthFilter
	case "d", "default":
		return defaultFilter
	case "dictsort":
		return dictsortFilter
	case "e", "escape":
		return escapeFilter
	case "first":
		return firstFilter
	case "float":
		return floatFilter
	case "forceescape":
		return forceescapeFilter
	case "format":
		return formatFilter
	case "groupby":
		return groupbyFilter
	case "indent":
		return indentFilter
	case "int":
		return intFilter
	case "items":
		return itemsFilter
	case "join":
		return joinFilter
	case "last":
		return lastFilter
	case "list":
		return listFilter
	case "lower":
		return textFilter(lower)
	case "map":
		return mapFilter
	case "max":
		return extremeFilter(">")
	case "min":
		return extremeFilter("<")
	case "reject":
		return selectFilter(false, false)
	case "rejectattr":
		return selectFilter(false, true)
	case "replace":
		return replaceFilter
	case "reverse":
		return reverseFilter
	case "round":
		return roundFilter
	case "safe":
		return safeFilter
	case "select":
		return selectFilter(true, false)
	case "selectattr":
		return selectFilter(true, true)
	case "slice":
		return sliceFilter
	case "sort":
		return sortFilter
	case "string":
		return stringFilter
	case "sum":
		return sumFilter
	case "title":
		return textFilter(titleFilter)
	case "tojson":
		return tojsonFilter
	case "trim":
		return trimFilter
	case "truncate":
		return truncateFilter
	case "unique":
		return uniqueFilter
	case "upper":
		return textFilter(upper)
	case "urlencode":
		return urlencodeFilter
	case "wordcount":
		return wordcountFilter
	case "wordwrap":
		return wordwrapFilter
	}
	return nil
}

func (r *run) filter(name string, x Value, a args) (Value, error) {
	f := filterNamed(name)
	if f == nil {
		return Value{}, failf("no filter named '%.60s'", name)
	}
	return f(r, x, a)
}

// soft is what jinja2 calls soft_str: text stays as it is, marked or plain,
// and everything else is printed.
func (r *run) soft(x Value) (Value, string, error) {
	if s, ok := x.AsString(); ok {
		return x, s, nil
	}
	s, err := r.str(x)
	return String(s), s, err
}

// textFilter makes a filter of a function of text.
func textFilter(f func(string) string) filterFunc {
	return func(r *run, x Value, a args) (Value, error) {
		if err := a.positional("filter", 0, 0); err != nil {
			return Value{}, err
		}
		x, s, err := r.soft(x)
		if err != nil {
			return Value{}, err
		}
		if err := r.text(2 * len(s)); err != nil {
			return Value{}, err
		}
		return likeString(x, f(s)), nil
	}
}

func defaultFilter(_ *run, x Value, a args) (Value, error) {
	b, err := a.bind("default", 0, "default_value", "boolean")
	if err != nil {
		return Value{}, err
	}
	if isUndefined(x) || truthy(b.values[1]) && !truthy(x) {
		return b.opt(0, String("")), nil
	}
	return x, nil
}

func stringFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("string", 0, 0); err != nil {
		return Value{}, err
	}
	v, _, err := r.soft(x)
	return v, err
}

func lengthFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("length", 0, 0); err != nil {
		return Value{}, err
	}
	s, _ := x.AsString()
	if err := r.step(len(s) / 16); err != nil {
		return Value{}, err
	}
	n, ok := length(x)
	if !ok {
		return Value{}, failf("object of type '%s' has no len()", typeName(x))
	}
	return intValue(n), nil
}

func attrFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("attr", 1, "name")
	if err != nil {
		return Value{}, err
	}
	name, ok := b.values[0].AsString()
	if !ok {
		return Value{}, failf("attribute name must be string")
	}
	if err := defined(x); err != nil {
		return Value{}, err
	}
	if v, ok := attribute(x, name); ok {
		return v, nil
	}
	return undefinedAttr(x, name), nil
}

func escapeFilter(r *run, x Value, a args) (Value, error) {
	if _, ok := x.v.(markup); ok {
		return x, nil
	}
	return forceescapeFilter(r, x, a)
}

func forceescapeFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("escape", 0, 0); err != nil {
		return Value{}, err
	}
	s, err := r.str(x)
	if err != nil {
		return Value{}, err
	}
	if err := r.text(6 * len(s)); err != nil {
		return Value{}, err
	}
	return Value{markup(escapeHTML(s))}, nil
}

func safeFilter(r *run, x Value, a args) (Value, error) {
	if err := a.positional("safe", 0, 0); err != nil {
		return Value{}, err
	}
	s, err := r.str(x)
	return Value{markup(s)}, err
}

func formatFilter(r *run, x Value, a args) (Value, error) {
	v, s, err := r.soft(x)
	if err != nil {
		return Value{}, err
	}
	if len(a.pos) > 0 && len(a.names) > 0 {
		return Value{}, failf("can't handle positional and keyword arguments at the same time")
	}
	operand := newTuple(a.pos...)
	if len(a.names) > 0 {
		d := NewDict()
		for i, name := range a.names {
			d.Set(name, a.named[i])
		}
		operand = d.Value()
	}
	text, err := r.printf(s, operand, isMarkup(v))
	return likeString(v, text), err
}
