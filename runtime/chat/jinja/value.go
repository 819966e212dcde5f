package jinja

import (
	"math/big"
)

// Value is what templates compute with: null, bool, int, float, string, list
// or map, and, inside a run only, the further things that Python has (tuples,
// undefined, functions, loops). The zero Value is null. A Value never changes
// once it has been handed over, so it may be shared between goroutines.
type Value struct{ v any }

// ValueKind names the kinds of Value that exist outside of a run.
type ValueKind int

const (
	NullKind ValueKind = iota
	BoolKind
	IntKind
	FloatKind
	StringKind
	ListKind
	MapKind
	OtherKind // exists only while a template runs
)

// The Go types that a Value may hold, apart from nil, bool, int64, float64 and
// string:
type (
	// bigInt is an integer beyond 64 bits: it prints and compares, no more.
	bigInt = *big.Int
	// markup is a string that the safe or escape filter has marked.
	markup string
	list   struct{ items []Value }
	tuple  struct{ items []Value }
)

// Null is the null value (Python's None).
func Null() Value { return Value{} }

// Bool makes a boolean.
func Bool(b bool) Value { return Value{b} }

// Int makes an integer.
func Int(i int64) Value { return Value{i} }

// Float makes a floating point number; it prints with a decimal point even
// when it is whole, unlike Int.
func Float(f float64) Value { return Value{f} }

// String makes a string. s should be valid UTF-8.
func String(s string) Value { return Value{s} }

// List makes a list, which takes ownership of items.
func List(items ...Value) Value { return Value{&list{items}} }

func newTuple(items ...Value) Value { return Value{&tuple{items}} }

func intValue(i int) Value { return Value{int64(i)} }

// Kind tells what v holds.
func (v Value) Kind() ValueKind {
	switch v.v.(type) {
	case nil:
		return NullKind
	case bool:
		return BoolKind
	case int64, bigInt:
		return IntKind
	case float64:
		return FloatKind
	case string, markup:
		return StringKind
	case *list:
		return ListKind
	case *Dict:
		return MapKind
	}
	return OtherKind
}

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.v == nil }

// AsString returns the text of a string; ok is false for anything else.
func (v Value) AsString() (s string, ok bool) {
	switch x := v.v.(type) {
	case string:
		return x, true
	case markup:
		return string(x), true
	}
	return "", false
}

// AsBool returns a boolean; ok is false for anything else.
func (v Value) AsBool() (b, ok bool) {
	b, ok = v.v.(bool)
	return b, ok
}

// AsInt returns an integer of 64 bits; ok is false for anything else.
func (v Value) AsInt() (i int64, ok bool) {
	i, ok = v.v.(int64)
	return i, ok
}

// AsFloat returns a float or an int as float64; ok is false for anything else.
func (v Value) AsFloat() (f float64, ok bool) {
	switch x := v.v.(type) {
	case float64:
		return x, true
	case int64:
		return float64(x), true
	}
	return 0, false
}

// Items returns the elements of a list, which the caller must not change; nil
// for anything else.
func (v Value) Items() []Value {
	if l, ok := v.v.(*list); ok {
		return l.items
	}
	return nil
}

// Map returns the map that v holds, which the caller must not change; nil for
// anything else.
func (v Value) Map() *Dict {
	d, _ := v.v.(*Dict)
	return d
}

// Get returns the entry of a map under a string key; ok is false when v is no
// map or has no such key.
func (v Value) Get(key string) (Value, bool) {
	if d, ok := v.v.(*Dict); ok {
		return d.Get(key)
	}
	return Value{}, false
}

// index returns a Python int, which a bool is too.
func (v Value) index() (int64, bool) {
	switch x := v.v.(type) {
	case int64:
		return x, true
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// number returns any Python number as a float.
func (v Value) number() (float64, bool) {
	switch x := v.v.(type) {
	case float64:
		return x, true
	case bigInt:
		f, _ := new(big.Float).SetInt(x).Float64()
		return f, true
	}
	i, ok := v.index()
	return float64(i), ok
}

// sequence returns the elements of a list or a tuple.
func (v Value) sequence() ([]Value, bool) {
	switch x := v.v.(type) {
	case *list:
		return x.items, true
	case *tuple:
		return x.items, true
	}
	return nil, false
}
