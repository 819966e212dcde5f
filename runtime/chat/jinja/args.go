package jinja

// args are the evaluated arguments of a call.
type args struct {
	pos   []Value
	names []string // of keyword arguments, in order
	named []Value
}

// args evaluates the arguments that a call was written with.
func (r *run) args(c *callArgs, s *scope) (a args, err error) {
	if a.pos, err = r.evalAll(c.pos, s); err != nil {
		return a, err
	}
	if a.named, err = r.evalAll(c.values, s); err != nil {
		return a, err
	}
	a.names = c.names
	if c.star != nil {
		v, err := r.eval(c.star, s)
		if err != nil {
			return a, err
		}
		more, err := r.iterate(v)
		if err != nil {
			return a, err
		}
		if err := r.items(len(more)); err != nil {
			return a, err
		}
		a.pos = append(a.pos, more...)
	}
	if c.starStar != nil {
		v, err := r.eval(c.starStar, s)
		if err != nil {
			return a, err
		}
		d, ok := v.v.(*Dict)
		if !ok {
			return a, failf("argument after ** must be a mapping, not %s", typeName(v))
		}
		if err := r.items(2 * d.Len()); err != nil {
			return a, err
		}
		seen := map[string]bool{}
		for _, name := range a.names {
			seen[name] = true
		}
		a.names = append([]string(nil), a.names...)
		for i, key := range d.keys {
			name, ok := key.AsString()
			if !ok {
				return a, failf("keywords must be strings")
			}
			if seen[name] {
				return a, failf("got multiple values for keyword argument '%s'", name)
			}
			a.names, a.named = append(a.names, name), append(a.named, d.values[i])
		}
	}
	if c.callBlock {
		caller, _ := s.get(blockCaller)
		a.names = append(append([]string(nil), a.names...), "caller")
		a.named = append(a.named, caller)
	}
	return a, nil
}

// take finds a keyword argument.
func (a *args) take(name string) (Value, bool) {
	for i, n := range a.names {
		if n == name {
			return a.named[i], true
		}
	}
	return Value{}, false
}

// bind gives every parameter its argument, positional ones first, as Python
// does for a function whose first required parameters have no default.
// Parameters that got nothing are absent (see opt). fn names the function in
// errors.
func (a args) bind(fn string, required int, params ...string) (bound, error) {
	b := bound{values: make([]Value, len(params)), given: make([]bool, len(params))}
	if len(a.pos) > len(params) {
		return b, failf("%s takes at most %d arguments, got %d", fn, len(params), len(a.pos))
	}
	for i, v := range a.pos {
		b.values[i], b.given[i] = v, true
	}
	for i, name := range a.names {
		at := -1
		for j, param := range params {
			if param == name {
				at = j
			}
		}
		switch {
		case at < 0:
			return b, failf("%s got an unexpected keyword argument '%s'", fn, name)
		case b.given[at]:
			return b, failf("%s got multiple values for argument '%s'", fn, name)
		}
		b.values[at], b.given[at] = a.named[i], true
	}
	for i := range params[:required] {
		if !b.given[i] {
			return b, failf("%s misses the argument '%s'", fn, params[i])
		}
	}
	return b, nil
}

// positional is bind for the many methods of Python that take no keywords.
func (a args) positional(fn string, required, most int) error {
	switch {
	case len(a.names) > 0:
		return failf("%s takes no keyword arguments", fn)
	case len(a.pos) < required || len(a.pos) > most:
		return failf("%s got %d arguments", fn, len(a.pos))
	}
	return nil
}

// bound are the arguments of one call in the order of the parameters.
type bound struct {
	values []Value
	given  []bool
}

// opt is the i-th argument, or the default.
func (b bound) opt(i int, def Value) Value {
	if b.given[i] {
		return b.values[i]
	}
	return def
}

// int is the i-th argument as an integer, or the default.
func (b bound) int(i int, def int64) (int64, error) {
	if !b.given[i] {
		return def, nil
	}
	n, ok := b.values[i].index()
	if !ok {
		return 0, failf("'%s' object cannot be interpreted as an integer", typeName(b.values[i]))
	}
	return n, nil
}
