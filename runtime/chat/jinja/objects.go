package jinja

import (
	"fmt"
	"strings"
)

// The further types of Value, which exist only inside a run.
type (
	// undefined is a name or attribute that is not there. It prints as
	// nothing and is false; what else is done with it fails with why.
	undefined struct{ why string }
	// view is the keys(), values() or items() of a dict.
	view struct {
		name string // dict_keys, dict_values or dict_items
		dict *Dict
	}
	// iter is a generator or iterator: it gives each item once. The items
	// exist already.
	iter struct {
		name  string // Python's type name, "generator" for filters
		items []Value
		pos   int
	}
	// span is a range object.
	span struct{ start, stop, step, n int64 }
	// namespace is the one thing that a template may change.
	namespace struct{ attrs *Dict }
	// function is a callable of the library, or a method bound to its object.
	function struct {
		name string
		call func(r *run, a args) (Value, error)
	}
	cycler struct {
		items []Value
		pos   int
	}
)

func undefinedName(name string) Value {
	return Value{&undefined{fmt.Sprintf("'%s' is undefined", name)}}
}

func undefinedHint(format string, a ...any) Value {
	return Value{&undefined{fmt.Sprintf(format, a...)}}
}

func undefinedAttr(of Value, name string) Value {
	owner := typeName(of) + " object"
	if of.IsNull() {
		owner = "None"
	}
	return Value{&undefined{fmt.Sprintf("'%s' has no attribute '%.100s'", owner, name)}}
}

func isUndefined(v Value) bool {
	_, ok := v.v.(*undefined)
	return ok
}

// defined fails if v is undefined: it is used where Python calls a method that
// Undefined refuses.
func defined(values ...Value) error {
	for _, v := range values {
		if u, ok := v.v.(*undefined); ok {
			return failf("%s", u.why)
		}
	}
	return nil
}

func generator(items []Value) Value { return Value{&iter{name: "generator", items: items}} }

// rest consumes the iterator.
func (it *iter) rest() []Value {
	items := it.items[it.pos:]
	it.pos = len(it.items)
	return items
}

func (v *view) items() []Value {
	switch v.name {
	case "dict_keys":
		return v.dict.keys
	case "dict_values":
		return v.dict.values
	}
	pairs := make([]Value, v.dict.Len())
	for i := range pairs {
		pairs[i] = newTuple(v.dict.keys[i], v.dict.values[i])
	}
	return pairs
}

func (s *span) at(i int64) Value { return Int(s.start + i*s.step) }

func (ns *namespace) put(name string, v Value) error {
	if strings.HasPrefix(name, "_") {
		return failf("a namespace cannot hold '%s': names that begin with an underscore are refused", name)
	}
	ns.attrs.Set(name, v)
	return nil
}

// typeName is Python's name of v's type.
func typeName(v Value) string {
	switch x := v.v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, bigInt:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case markup:
		return "Markup"
	case *list:
		return "list"
	case *tuple, *group:
		return "tuple"
	case *Dict:
		return "dict"
	case *undefined:
		return "Undefined"
	case *view:
		return x.name
	case *iter:
		return x.name
	case *span:
		return "range"
	case *namespace:
		return "Namespace"
	case *macro:
		return "Macro"
	case *loop:
		return "LoopContext"
	case *cycler:
		return "Cycler"
	}
	return "function"
}

// truthy is Python's bool().
func truthy(v Value) bool {
	switch x := v.v.(type) {
	case nil, *undefined:
		return false
	case bool:
		return x
	case int64:
		return x != 0
	case bigInt:
		return x.Sign() != 0
	case float64:
		return x != 0
	case string:
		return x != ""
	case markup:
		return x != ""
	case *list:
		return len(x.items) > 0
	case *tuple:
		return len(x.items) > 0
	case *Dict:
		return x.Len() > 0
	case *view:
		return x.dict.Len() > 0
	case *span:
		return x.n > 0
	}
	return true
}

// length is Python's len(); ok is false for what has none.
func length(v Value) (int, bool) {
	if s, ok := v.AsString(); ok {
		return runeCount(s), true
	}
	switch x := v.v.(type) {
	case *undefined:
		return 0, true
	case *list:
		return len(x.items), true
	case *tuple:
		return len(x.items), true
	case *group:
		return 2, true
	case *Dict:
		return x.Len(), true
	case *view:
		return x.dict.Len(), true
	case *span:
		return int(x.n), true
	case *loop:
		return len(x.items), true
	}
	return 0, false
}

// iterate returns what a for loop over v visits. The caller must not change
// the result. Iterators are used up by it.
func (r *run) iterate(v Value) ([]Value, error) {
	if s, ok := v.AsString(); ok {
		if err := r.items(len(s)); err != nil {
			return nil, err
		}
		chars := make([]Value, 0, len(s))
		for _, c := range s {
			chars = append(chars, String(string(c)))
		}
		return chars, nil
	}
	switch x := v.v.(type) {
	case *undefined:
		return nil, nil
	case *list:
		return x.items, nil
	case *tuple:
		return x.items, nil
	case *group:
		return []Value{x.key, List(x.items...)}, nil
	case *Dict:
		return x.keys, nil
	case *view:
		if err := r.items(x.dict.Len()); err != nil {
			return nil, err
		}
		return x.items(), nil
	case *iter:
		return x.rest(), nil
	case *span:
		if err := r.items(int(x.n)); err != nil {
			return nil, err
		}
		items := make([]Value, x.n)
		for i := range items {
			items[i] = x.at(int64(i))
		}
		return items, nil
	}
	return nil, failf("'%s' object is not iterable", typeName(v))
}

// iterable tells whether iterate would succeed.
func iterable(v Value) bool {
	switch v.v.(type) {
	case string, markup, *undefined, *list, *tuple, *group, *Dict, *view, *iter, *span, *loop:
		return true
	}
	return false
}
