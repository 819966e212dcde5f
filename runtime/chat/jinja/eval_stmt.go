package jinja

func (n *dataStmt) exec(r *run, _ *scope) (control, error) {
	return proceed, r.out.write(n.text)
}

func (n *outputStmt) exec(r *run, s *scope) (control, error) {
	for _, x := range n.parts {
		v, err := r.eval(x, s)
		if err != nil {
			return proceed, err
		}
		text, err := r.str(v)
		if err != nil {
			return proceed, err
		}
		if err := r.out.write(text); err != nil {
			return proceed, err
		}
	}
	return proceed, nil
}

func (n *ifStmt) exec(r *run, s *scope) (control, error) {
	test, err := r.eval(n.test, s)
	if err != nil {
		return proceed, err
	}
	if truthy(test) {
		return r.exec(n.body, s)
	}
	return r.exec(n.other, s)
}

func (n *setStmt) exec(r *run, s *scope) (control, error) {
	v, err := r.eval(n.value, s)
	if err != nil {
		return proceed, err
	}
	return proceed, r.assign(n.target, v, s)
}

func (n *setBlockStmt) exec(r *run, s *scope) (control, error) {
	inner := s.child(n.frame)
	text, c, err := r.capture(n.body, inner)
	if err != nil || c != proceed {
		return c, err
	}
	v := String(text)
	if n.filter != nil {
		if v, err = r.filterText(n.filter, v, inner); err != nil {
			return proceed, err
		}
	}
	return proceed, r.assign(n.target, v, s)
}

func (n *filterStmt) exec(r *run, s *scope) (control, error) {
	inner := s.child(n.frame)
	text, c, err := r.capture(n.body, inner)
	if err != nil || c != proceed {
		return c, err
	}
	v, err := r.filterText(n.filter, String(text), inner)
	if err != nil {
		return proceed, err
	}
	if text, err = r.str(v); err != nil {
		return proceed, err
	}
	return proceed, r.out.write(text)
}

// blockText is the name under which the innermost filter of a filter block
// finds its operand; no template can spell it.
const blockText = "{block}"

func (r *run) filterText(filter expr, text Value, s *scope) (Value, error) {
	inner := &scope{parent: s}
	inner.set(blockText, text)
	return r.eval(filter, inner)
}

func (n *withStmt) exec(r *run, s *scope) (control, error) {
	inner := s.child(n.frame)
	for i, x := range n.values {
		v, err := r.eval(x, s)
		if err != nil {
			return proceed, err
		}
		if err := r.assign(n.targets[i], v, inner); err != nil {
			return proceed, err
		}
	}
	return r.exec(n.body, inner)
}

func (n *generationStmt) exec(r *run, s *scope) (control, error) {
	return r.exec(n.body, s.child(n.frame))
}

// A block sees the variables of the top level only, unless it is scoped.
func (n *blockStmt) exec(r *run, s *scope) (control, error) {
	if n.scoped {
		return r.exec(n.body, s.child(n.frame))
	}
	return r.exec(n.body, s.top().child(n.frame))
}

func (n *breakStmt) exec(*run, *scope) (control, error)    { return breakLoop, nil }
func (n *continueStmt) exec(*run, *scope) (control, error) { return continueLoop, nil }

// assign stores v under a name, a namespace attribute, or each part of it
// under its own.
func (r *run) assign(to target, v Value, s *scope) error {
	switch {
	case to.tuple:
		return r.unpack(to.items, v, s)
	case to.ns != nil:
		holder, ok := s.get(to.ns.name)
		if !ok {
			return failf("'%s' is undefined", to.ns.name)
		}
		ns, ok := holder.v.(*namespace)
		if !ok {
			return failf("cannot assign attribute on non-namespace object")
		}
		return ns.put(to.ns.attr, v)
	}
	s.set(to.name, v)
	return nil
}

func (r *run) unpack(targets []target, v Value, s *scope) error {
	items, err := r.iterate(v)
	if err != nil {
		return err
	}
	if len(items) != len(targets) {
		return failf("cannot unpack %d values into %d names", len(items), len(targets))
	}
	for i, to := range targets {
		if err := r.assign(to, items[i], s); err != nil {
			return err
		}
	}
	return nil
}
