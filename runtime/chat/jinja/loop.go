package jinja

// loop is the special variable of a for body.
type loop struct {
	items  []Value
	index0 int
	depth0 int
	// recurse renders the body for other items; nil unless the for is recursive.
	recurse func(items Value, depth0 int) (Value, error)
	last    []Value // what changed was called with
	called  bool
}

func (n *forStmt) exec(r *run, s *scope) (control, error) {
	v, err := r.eval(n.iter, s)
	if err != nil {
		return proceed, err
	}
	if !n.recursive {
		return n.run(r, s, v, &loop{})
	}
	// A recursive loop is a function: break and continue stay inside.
	text, err := n.render(r, s, v, 0)
	if err != nil {
		return proceed, err
	}
	return proceed, r.out.write(text)
}

// render runs a recursive loop over v into a string.
func (n *forStmt) render(r *run, s *scope, v Value, depth0 int) (string, error) {
	l := &loop{depth0: depth0}
	l.recurse = func(items Value, depth0 int) (Value, error) {
		text, err := n.render(r, s, items, depth0)
		return String(text), err
	}
	outer := r.out
	r.out = &buffer{b: &r.budget}
	err := r.nest(func() error {
		_, err := n.run(r, s, v, l)
		return err
	})
	text := r.out.String()
	r.out = outer
	return text, err
}

// run visits the items of v. The control it returns is that of the else part.
func (n *forStmt) run(r *run, s *scope, v Value, l *loop) (control, error) {
	items, err := r.iterate(v)
	if err != nil {
		return proceed, err
	}
	if n.test != nil {
		if items, err = n.filter(r, s, items); err != nil {
			return proceed, err
		}
	}
	l.items = items
	for i, item := range items {
		if err := r.step(1); err != nil {
			return proceed, err
		}
		l.index0 = i
		inner := s.child(n.bodyFrame)
		if n.extended {
			inner.set("loop", Value{l})
		}
		if err := r.assign(n.target, item, inner); err != nil {
			return proceed, err
		}
		c, err := r.exec(n.body, inner)
		if err != nil {
			return proceed, err
		}
		if c == breakLoop {
			return proceed, nil
		}
	}
	if len(items) > 0 {
		return proceed, nil
	}
	return r.exec(n.other, s.child(n.elseFrame))
}

// filter keeps the items for which the loop's if holds.
func (n *forStmt) filter(r *run, s *scope, items []Value) ([]Value, error) {
	if err := r.items(len(items)); err != nil {
		return nil, err
	}
	var kept []Value
	for _, item := range items {
		inner := s.child(n.testFrame)
		if err := r.assign(n.target, item, inner); err != nil {
			return nil, err
		}
		ok, err := r.eval(n.test, inner)
		if err != nil {
			return nil, err
		}
		if truthy(ok) {
			kept = append(kept, item)
		}
	}
	return kept, nil
}

func (l *loop) attribute(name string) (Value, bool) {
	n := len(l.items)
	switch name {
	case "index":
		return intValue(l.index0 + 1), true
	case "index0":
		return intValue(l.index0), true
	case "revindex":
		return intValue(n - l.index0), true
	case "revindex0":
		return intValue(n - l.index0 - 1), true
	case "first":
		return Bool(l.index0 == 0), true
	case "last":
		return Bool(l.index0 == n-1), true
	case "length":
		return intValue(n), true
	case "depth":
		return intValue(l.depth0 + 1), true
	case "depth0":
		return intValue(l.depth0), true
	case "previtem":
		if l.index0 == 0 {
			return undefinedHint("there is no previous item"), true
		}
		return l.items[l.index0-1], true
	case "nextitem":
		if l.index0 == n-1 {
			return undefinedHint("there is no next item"), true
		}
		return l.items[l.index0+1], true
	case "cycle":
		return Value{&function{name, l.cycle}}, true
	case "changed":
		return Value{&function{name, l.changed}}, true
	}
	return Value{}, false
}

func (l *loop) cycle(_ *run, a args) (Value, error) {
	if len(a.pos) == 0 {
		return Value{}, failf("no items for cycling given")
	}
	return a.pos[l.index0%len(a.pos)], nil
}

// changed is true when its arguments are not those of the last call.
func (l *loop) changed(r *run, a args) (Value, error) {
	same, err := r.equal(newTuple(l.last...), newTuple(a.pos...), 0)
	if err != nil || same && l.called {
		return Bool(false), err
	}
	l.last, l.called = a.pos, true
	return Bool(true), nil
}

func (l *loop) call(a args) (Value, error) {
	if l.recurse == nil {
		return Value{}, failf("the loop must have the 'recursive' marker to be called recursively")
	}
	b, err := a.bind("loop()", 1, "iterable")
	if err != nil {
		return Value{}, err
	}
	return l.recurse(b.values[0], l.depth0+1)
}
