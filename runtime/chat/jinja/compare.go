package jinja

import (
	"cmp"
	"math"
	"math/big"
	"strings"
)

// compareOp decides one link of a comparison.
func (r *run) compareOp(op string, a, b Value) (bool, error) {
	switch op {
	case "==":
		return r.equal(a, b, 0)
	case "!=":
		eq, err := r.equal(a, b, 0)
		return !eq, err
	case "in":
		return r.contains(b, a)
	case "not in":
		in, err := r.contains(b, a)
		return !in, err
	}
	c, ordered, err := r.order(op, a, b, 0)
	if err != nil || !ordered {
		return false, err
	}
	switch op {
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

// equal is Python's ==.
func (r *run) equal(a, b Value, depth int) (bool, error) {
	if depth > maxDataDepth {
		return false, limitf("value nested more than %d deep", maxDataDepth)
	}
	if err := r.step(1); err != nil {
		return false, err
	}
	if s, ok := a.AsString(); ok {
		t, ok := b.AsString()
		return ok && s == t, r.step(len(s) / 256)
	}
	if c, ordered, ok := compareNumbers(a, b); ok {
		return ordered && c == 0, nil
	}
	switch x := a.v.(type) {
	case nil:
		return b.v == nil, nil
	case *undefined:
		return isUndefined(b), nil
	case *Dict:
		y, ok := b.v.(*Dict)
		if !ok || x.Len() != y.Len() {
			return false, nil
		}
		for i, key := range x.keys {
			other, found, err := y.lookup(&r.budget, key)
			if err != nil || !found {
				return false, err
			}
			if eq, err := r.equal(x.values[i], other, depth+1); err != nil || !eq {
				return false, err
			}
		}
		return true, nil
	case *span:
		y, ok := b.v.(*span)
		return ok && x.n == y.n && (x.n == 0 || x.start == y.start && (x.n == 1 || x.step == y.step)), nil
	}
	left, okA := a.sequence()
	right, okB := b.sequence()
	if !okA || !okB {
		return a.v == b.v, nil // by identity
	}
	if typeName(a) != typeName(b) || len(left) != len(right) {
		return false, nil
	}
	for i := range left {
		if eq, err := r.equal(left[i], right[i], depth+1); err != nil || !eq {
			return false, err
		}
	}
	return true, nil
}

// compareNumbers orders two numbers; ok is false if they are not two numbers,
// ordered is false if one is NaN.
func compareNumbers(a, b Value) (c int, ordered, ok bool) {
	x, intA := a.index()
	y, intB := b.index()
	if intA && intB {
		return cmp.Compare(x, y), true, true
	}
	f, okA := a.number()
	g, okB := b.number()
	if !okA || !okB {
		return 0, false, false
	}
	if math.IsNaN(f) || math.IsNaN(g) {
		return 0, false, true
	}
	if math.IsInf(f, 0) || math.IsInf(g, 0) {
		return cmp.Compare(f, g), true, true
	}
	return exact(a, f).Cmp(exact(b, g)), true, true
}

// exact avoids the rounding of large integers to float64.
func exact(v Value, f float64) *big.Float {
	wide := new(big.Float).SetPrec(0)
	switch x := v.v.(type) {
	case bigInt:
		return wide.SetInt(x)
	case int64:
		return wide.SetInt64(x)
	}
	return wide.SetFloat64(f)
}

// order compares by size; it fails for types that Python does not order.
func (r *run) order(op string, a, b Value, depth int) (c int, ordered bool, err error) {
	if depth > maxDataDepth {
		return 0, false, limitf("value nested more than %d deep", maxDataDepth)
	}
	if err := defined(a, b); err != nil {
		return 0, false, err
	}
	if err := r.step(1); err != nil {
		return 0, false, err
	}
	if c, ordered, ok := compareNumbers(a, b); ok {
		return c, ordered, nil
	}
	s, okA := a.AsString()
	t, okB := b.AsString()
	if okA && okB {
		// Bytes of UTF-8 have the order of the code points.
		return strings.Compare(s, t), true, r.step(min(len(s), len(t)) / 256)
	}
	left, okA := a.sequence()
	right, okB := b.sequence()
	if !okA || !okB || typeName(a) != typeName(b) {
		return 0, false, failf("'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
	}
	for i := range min(len(left), len(right)) {
		eq, err := r.equal(left[i], right[i], depth+1)
		if err != nil {
			return 0, false, err
		}
		if !eq {
			return r.order(op, left[i], right[i], depth+1)
		}
	}
	return cmp.Compare(len(left), len(right)), true, nil
}

// contains is Python's "x in container".
func (r *run) contains(container, x Value) (bool, error) {
	if s, ok := container.AsString(); ok {
		part, ok := x.AsString()
		if !ok {
			return false, failf("'in <string>' requires string as left operand, not %s", typeName(x))
		}
		return strings.Contains(s, part), r.step(len(s) / 64)
	}
	switch c := container.v.(type) {
	case *Dict:
		_, found, err := c.lookup(&r.budget, x)
		return found, err
	case *view:
		if c.name == "dict_keys" {
			_, found, err := c.dict.lookup(&r.budget, x)
			return found, err
		}
	case *namespace, *cycler:
		return false, failf("argument of type '%s' is not iterable", typeName(container))
	}
	items, err := r.iterate(container)
	if err != nil {
		return false, err
	}
	for _, item := range items {
		if eq, err := r.equal(item, x, 0); err != nil || eq {
			return eq, err
		}
	}
	return false, nil
}
