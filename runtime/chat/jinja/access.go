package jinja

import (
	"errors"
	"math"
	"strings"
	"unicode/utf8"
)

// attr is x.name: a method or attribute of the object first, then an entry.
func (r *run) attr(x Value, name string) (Value, error) {
	if err := defined(x); err != nil {
		return Value{}, err
	}
	if v, ok := attribute(x, name); ok {
		return v, nil
	}
	if d, ok := x.v.(*Dict); ok {
		if v, ok := d.Get(name); ok {
			return v, nil
		}
	}
	return undefinedAttr(x, name), nil
}

// item is x[key]: an entry first, then, for a string, a method or attribute.
func (r *run) item(x, key Value) (Value, error) {
	if err := defined(x); err != nil {
		return Value{}, err
	}
	if v, ok, err := r.entry(x, key); ok || err != nil {
		return v, err
	}
	name, ok := key.AsString()
	if !ok {
		text, err := r.repr(key)
		return undefinedHint("%s object has no element %.100s", typeName(x), text), err
	}
	if v, ok := attribute(x, name); ok {
		return v, nil
	}
	return undefinedAttr(x, name), nil
}

// entry is Python's x[key]; ok is false where that raises TypeError or
// LookupError.
func (r *run) entry(x, key Value) (v Value, ok bool, err error) {
	if d, isDict := x.v.(*Dict); isDict {
		v, ok, err = d.lookup(&r.budget, key)
		if errors.Is(err, ErrRuntime) {
			return Value{}, false, nil // an unhashable key is a TypeError
		}
		return v, ok, err
	}
	i, isInt := key.index()
	if !isInt {
		return Value{}, false, nil
	}
	if s, isString := x.AsString(); isString {
		if err := r.step(len(s) / 64); err != nil {
			return Value{}, false, err
		}
		c, ok := runeAt(s, i)
		return likeString(x, c), ok, nil
	}
	var items []Value
	switch t := x.v.(type) {
	case *list:
		items = t.items
	case *tuple:
		items = t.items
	case *group:
		items = []Value{t.key, List(t.items...)}
	case *span:
		if i < 0 {
			i += t.n
		}
		if i < 0 || i >= t.n {
			return Value{}, false, nil
		}
		return t.at(i), true, nil
	default:
		return Value{}, false, nil
	}
	if i < 0 {
		i += int64(len(items))
	}
	if i < 0 || i >= int64(len(items)) {
		return Value{}, false, nil
	}
	return items[i], true, nil
}

// runeAt is the i-th character of s, counted from the end if i < 0.
func runeAt(s string, i int64) (string, bool) {
	if i < 0 {
		for ; s != ""; i++ {
			_, n := utf8.DecodeLastRuneInString(s)
			if i == -1 {
				return s[len(s)-n:], true
			}
			s = s[:len(s)-n]
		}
		return "", false
	}
	for at, c := range s {
		if i == 0 {
			return s[at : at+max(1, utf8.RuneLen(c))], true
		}
		i--
	}
	return "", false
}

// attribute finds a method or attribute of an object, or nothing. Those that
// the sandbox hides give an undefined value, which fails when it is called.
func attribute(x Value, name string) (Value, bool) {
	if strings.HasPrefix(name, "_") && !isNamespace(x) {
		if strings.HasPrefix(name, "__") && strings.HasSuffix(name, "__") {
			return undefinedHint("access to attribute '%.60s' of '%s' object is unsafe", name, typeName(x)), true
		}
		return Value{}, false
	}
	switch t := x.v.(type) {
	case string, markup:
		return method(x, name, stringMethods)
	case *list:
		if mutatesList(name) {
			return undefinedHint("access to attribute '%s' of 'list' object is unsafe", name), true
		}
		return method(x, name, listMethods)
	case *tuple:
		return method(x, name, tupleMethods)
	case *group:
		switch name {
		case "grouper":
			return t.key, true
		case "list":
			return List(t.items...), true
		}
	case *Dict:
		if mutatesDict(name) {
			return undefinedHint("access to attribute '%s' of 'dict' object is unsafe", name), true
		}
		return method(x, name, dictMethods)
	case *namespace:
		return t.attrs.Get(name)
	case *loop:
		return t.attribute(name)
	case *cycler:
		return t.attribute(name)
	case *macro:
		switch name {
		case "name":
			return String(t.def.name), true
		case "caller":
			return Bool(t.def.caller), true
		}
	case int64, bool, float64:
		return method(x, name, numberMethods)
	}
	return Value{}, false
}

func isNamespace(v Value) bool {
	_, ok := v.v.(*namespace)
	return ok
}

// methodFunc is a method of a built-in type.
type methodFunc func(r *run, self Value, a args) (Value, error)

// method binds the named method of a type to self. lookup gives nil for a
// name that the type does not have.
func method(self Value, name string, lookup func(string) methodFunc) (Value, bool) {
	f := lookup(name)
	if f == nil {
		return Value{}, false
	}
	return Value{&function{name, func(r *run, a args) (Value, error) { return f(r, self, a) }}}, true
}

// slice is x[start:stop:step]; bounds may be nil.
func (r *run) slice(x Value, bounds [3]*int64) (Value, error) {
	if err := defined(x); err != nil {
		return Value{}, err
	}
	step := int64(1)
	if bounds[2] != nil {
		step = *bounds[2]
	}
	if step == 0 {
		return Value{}, failf("slice step cannot be zero")
	}
	n, ok := length(x)
	if !ok {
		return Value{}, failf("'%s' object is not subscriptable", typeName(x))
	}
	start, stop := sliceRange(int64(n), bounds[0], bounds[1], step)
	if s, ok := x.AsString(); ok {
		return r.sliceString(x, s, start, stop, step)
	}
	if sp, ok := x.v.(*span); ok {
		if step > maxRange || step < -maxRange {
			return Value{}, failf("slice step of a range is too big")
		}
		count := spanLength(start, stop, step)
		return Value{&span{sp.start + start*sp.step, sp.start + stop*sp.step, sp.step * step, count}}, nil
	}
	items, ok := x.sequence()
	if !ok {
		return Value{}, failf("'%s' object is not subscriptable", typeName(x))
	}
	count := spanLength(start, stop, step)
	if err := r.items(int(count)); err != nil {
		return Value{}, err
	}
	part := make([]Value, 0, count)
	for i, at := int64(0), start; i < count; i, at = i+1, at+step {
		part = append(part, items[at])
	}
	if _, ok := x.v.(*tuple); ok {
		return newTuple(part...), nil
	}
	return List(part...), nil
}

func (r *run) sliceString(x Value, s string, start, stop, step int64) (Value, error) {
	if err := r.text(len(s)); err != nil {
		return Value{}, err
	}
	if len(s) == runeCount(s) && step == 1 {
		return likeString(x, s[start:max(start, stop)]), nil
	}
	if err := r.take(4 * len(s)); err != nil {
		return Value{}, err
	}
	chars := []rune(s)
	count := spanLength(start, stop, step)
	part := make([]rune, 0, count)
	for i, at := int64(0), start; i < count; i, at = i+1, at+step {
		part = append(part, chars[at])
	}
	return likeString(x, string(part)), nil
}

// sliceRange clips the bounds to a sequence of n elements, as Python does.
func sliceRange(n int64, from, to *int64, step int64) (start, stop int64) {
	low, high := int64(0), n
	if step < 0 {
		low, high = -1, n-1
	}
	clip := func(p *int64, def int64) int64 {
		if p == nil {
			return def
		}
		i := *p
		if i < 0 {
			if i < -n {
				return low
			}
			i += n
		}
		return min(max(i, low), high)
	}
	if step < 0 {
		return clip(from, high), clip(to, low)
	}
	return clip(from, low), clip(to, high)
}

// spanLength is the number of steps from start to stop.
func spanLength(start, stop, step int64) int64 {
	switch {
	case step > 0 && start < stop:
		return int64((uint64(stop)-uint64(start)-1)/uint64(step)) + 1
	case step < 0 && start > stop:
		if step == math.MinInt64 {
			return 1
		}
		return int64((uint64(start)-uint64(stop)-1)/uint64(-step)) + 1
	}
	return 0
}
