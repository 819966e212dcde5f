package jinja

func (n *constExpr) eval(*run, *scope) (Value, error) { return n.value, nil }

func (n *nameExpr) eval(_ *run, s *scope) (Value, error) {
	if v, ok := s.get(n.name); ok {
		return v, nil
	}
	return undefinedName(n.name), nil
}

func (n *tupleExpr) eval(r *run, s *scope) (Value, error) {
	if err := r.items(len(n.items)); err != nil {
		return Value{}, err
	}
	items, err := r.evalAll(n.items, s)
	return newTuple(items...), err
}

func (n *listExpr) eval(r *run, s *scope) (Value, error) {
	if err := r.items(len(n.items)); err != nil {
		return Value{}, err
	}
	items, err := r.evalAll(n.items, s)
	return List(items...), err
}

func (n *dictExpr) eval(r *run, s *scope) (Value, error) {
	if err := r.items(2 * len(n.keys)); err != nil {
		return Value{}, err
	}
	d := NewDict()
	for i := range n.keys {
		key, err := r.eval(n.keys[i], s)
		if err != nil {
			return Value{}, err
		}
		value, err := r.eval(n.values[i], s)
		if err != nil {
			return Value{}, err
		}
		if err := d.set(&r.budget, key, value); err != nil {
			return Value{}, err
		}
	}
	return d.Value(), nil
}

func (n *concatExpr) eval(r *run, s *scope) (Value, error) {
	values, err := r.evalAll(n.items, s)
	if err != nil {
		return Value{}, err
	}
	b := buffer{b: &r.budget}
	for _, v := range values {
		text, err := r.str(v)
		if err != nil {
			return Value{}, err
		}
		if err := b.write(text); err != nil {
			return Value{}, err
		}
	}
	return String(b.String()), nil
}

func (n *notExpr) eval(r *run, s *scope) (Value, error) {
	v, err := r.eval(n.x, s)
	return Bool(!truthy(v)), err
}

func (n *andExpr) eval(r *run, s *scope) (Value, error) {
	v, err := r.eval(n.left, s)
	if err != nil || !truthy(v) {
		return v, err
	}
	return r.eval(n.right, s)
}

func (n *orExpr) eval(r *run, s *scope) (Value, error) {
	v, err := r.eval(n.left, s)
	if err != nil || truthy(v) {
		return v, err
	}
	return r.eval(n.right, s)
}

func (n *unaryExpr) eval(r *run, s *scope) (Value, error) {
	v, err := r.eval(n.x, s)
	if err != nil {
		return v, err
	}
	return unary(n.op, v)
}

func (n *binaryExpr) eval(r *run, s *scope) (Value, error) {
	left, err := r.eval(n.left, s)
	if err != nil {
		return left, err
	}
	right, err := r.eval(n.right, s)
	if err != nil {
		return right, err
	}
	return r.binary(n.op, left, right)
}

func (n *compareExpr) eval(r *run, s *scope) (Value, error) {
	left, err := r.eval(n.first, s)
	if err != nil {
		return left, err
	}
	for i, op := range n.ops {
		right, err := r.eval(n.rest[i], s)
		if err != nil {
			return right, err
		}
		ok, err := r.compareOp(op, left, right)
		if err != nil || !ok {
			return Bool(false), err
		}
		left = right
	}
	return Bool(true), nil
}

func (n *condExpr) eval(r *run, s *scope) (Value, error) {
	test, err := r.eval(n.test, s)
	switch {
	case err != nil:
		return Value{}, err
	case truthy(test):
		return r.eval(n.then, s)
	case n.other == nil:
		return undefinedHint("the inline if-expression on line %d evaluated to false and no else section was defined", n.line), nil
	}
	return r.eval(n.other, s)
}

func (n *attrExpr) eval(r *run, s *scope) (Value, error) {
	x, err := r.eval(n.x, s)
	if err != nil {
		return x, err
	}
	return r.attr(x, n.name)
}

func (n *itemExpr) eval(r *run, s *scope) (Value, error) {
	x, err := r.eval(n.x, s)
	if err != nil {
		return x, err
	}
	key, err := r.eval(n.key, s)
	if err != nil {
		return key, err
	}
	return r.item(x, key)
}

func (n *sliceExpr) eval(r *run, s *scope) (Value, error) {
	x, err := r.eval(n.x, s)
	if err != nil {
		return x, err
	}
	var bounds [3]*int64
	for i, b := range [...]expr{n.start, n.stop, n.step} {
		if b == nil {
			continue
		}
		v, err := r.eval(b, s)
		if err != nil {
			return v, err
		}
		if v.IsNull() {
			continue
		}
		at, ok := v.index()
		if !ok {
			return Value{}, failf("slice indices must be integers or None, not %s", typeName(v))
		}
		bounds[i] = &at
	}
	return r.slice(x, bounds)
}

func (n *callExpr) eval(r *run, s *scope) (Value, error) {
	fn, err := r.eval(n.fn, s)
	if err != nil {
		return fn, err
	}
	a, err := r.args(&n.args, s)
	if err != nil {
		return Value{}, err
	}
	return r.call(fn, a)
}

func (n *filterExpr) eval(r *run, s *scope) (Value, error) {
	var x Value
	var err error
	if n.x == nil {
		x, _ = s.get(blockText)
	} else if x, err = r.eval(n.x, s); err != nil {
		return x, err
	}
	a, err := r.args(&n.args, s)
	if err != nil {
		return Value{}, err
	}
	return r.filter(n.name, x, a)
}

func (n *testExpr) eval(r *run, s *scope) (Value, error) {
	x, err := r.eval(n.x, s)
	if err != nil {
		return x, err
	}
	a, err := r.args(&n.args, s)
	if err != nil {
		return Value{}, err
	}
	ok, err := r.test(n.name, x, a)
	return Bool(ok), err
}
