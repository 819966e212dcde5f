package jinja

import (
	"fmt"
	"math"
	"strings"
)

// Dict is a map that keeps the order in which its keys were first set, as
// Python's dict and the JSON text do. Build one with NewDict and Set, then
// hand it over with Value and leave it alone.
type Dict struct {
	keys   []Value
	values []Value
	index  map[any]int // from hashKey to the position in keys
}

// NewDict makes an empty Dict.
func NewDict() *Dict { return &Dict{index: map[any]int{}} }

// Set stores value under a string key and returns d for chaining. A key that
// is there already keeps its place.
func (d *Dict) Set(key string, value Value) *Dict {
	d.put(key, String(key), value)
	return d
}

// Value hands the map over; d must not be Set afterwards.
func (d *Dict) Value() Value { return Value{d} }

// Get returns the value under a string key.
func (d *Dict) Get(key string) (Value, bool) {
	if i, ok := d.index[key]; ok {
		return d.values[i], true
	}
	return Value{}, false
}

// Len is the number of keys.
func (d *Dict) Len() int { return len(d.keys) }

// Entry returns the i-th key, as text, and its value.
func (d *Dict) Entry(i int) (string, Value) {
	key, ok := d.keys[i].AsString()
	if !ok {
		key = fmt.Sprint(d.keys[i].v)
	}
	return key, d.values[i]
}

func (d *Dict) put(hash any, key, value Value) {
	if i, ok := d.index[hash]; ok {
		d.values[i] = value
		return
	}
	d.index[hash] = len(d.keys)
	d.keys = append(d.keys, key)
	d.values = append(d.values, value)
}

// set stores under any hashable key.
func (d *Dict) set(key, value Value) error {
	hash, err := hashKey(key, 0)
	if err != nil {
		return err
	}
	d.put(hash, key, value)
	return nil
}

// lookup finds any key; a key that cannot be hashed is an error.
func (d *Dict) lookup(key Value) (Value, bool, error) {
	hash, err := hashKey(key, 0)
	if err != nil {
		return Value{}, false, err
	}
	if i, ok := d.index[hash]; ok {
		return d.values[i], true, nil
	}
	return Value{}, false, nil
}

// Keys that Go's map would confuse with others.
type (
	noneKey      struct{}
	undefinedKey struct{}
	tupleKey     string
)

// hashKey maps Python's equality of keys (1 == 1.0 == True) to Go's. depth
// bounds nested tuples.
func hashKey(v Value, depth int) (any, error) {
	if depth > maxDataDepth {
		return nil, limitf("tuple nested more than %d deep", maxDataDepth)
	}
	switch x := v.v.(type) {
	case nil:
		return noneKey{}, nil
	case string:
		return x, nil
	case markup:
		return string(x), nil
	case bool, int64:
		i, _ := v.index()
		return i, nil
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1<<62 {
			return int64(x), nil
		}
		return x, nil
	case bigInt:
		return tupleKey(x.String()), nil
	case *undefined:
		return undefinedKey{}, nil
	case *tuple:
		var b strings.Builder
		for _, item := range x.items {
			h, err := hashKey(item, depth+1)
			if err != nil {
				return nil, err
			}
			part := fmt.Sprintf("%T:%v", h, h)
			fmt.Fprintf(&b, "%d:%s", len(part), part)
		}
		return tupleKey(b.String()), nil
	case *list, *Dict, *view:
		return nil, failf("unhashable type: '%s'", typeName(v))
	}
	return v.v, nil // functions and the like: by identity
}
