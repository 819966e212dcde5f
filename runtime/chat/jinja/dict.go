package jinja

import (
	"fmt"
	"math"
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
func (d *Dict) set(b *budget, key, value Value) error {
	hash, err := hashKey(b, key)
	if err != nil {
		return err
	}
	d.put(hash, key, value)
	return nil
}

// lookup finds any key; a key that cannot be hashed is an error.
func (d *Dict) lookup(b *budget, key Value) (Value, bool, error) {
	hash, err := hashKey(b, key)
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
	bigKey       string
	tupleKey     string
)

// hashKey maps Python's equality of keys (1 == 1.0 == True) to Go's.
func hashKey(b *budget, v Value) (any, error) {
	switch x := v.v.(type) {
	case nil:
		return noneKey{}, nil
	case string:
		return x, b.step(len(x) / 64)
	case markup:
		return string(x), b.step(len(x) / 64)
	case bool, int64:
		i, _ := v.index()
		return i, nil
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1<<62 {
			return int64(x), nil
		}
		return x, nil
	case bigInt:
		return bigKey(x.String()), nil
	case *undefined:
		return undefinedKey{}, nil
	case *tuple:
		text := buffer{b: b}
		err := writeKey(&text, x, 0)
		return tupleKey(text.String()), err
	case *list, *Dict, *view, *group:
		return nil, failf("unhashable type: '%s'", typeName(v))
	}
	return v.v, nil // functions and the like: by identity
}

// writeKey writes a tuple as text that differs from that of every other tuple.
func writeKey(text *buffer, t *tuple, depth int) error {
	if depth > maxDataDepth {
		return limitf("tuple nested more than %d deep", maxDataDepth)
	}
	if err := text.write("("); err != nil {
		return err
	}
	for _, item := range t.items {
		if inner, ok := item.v.(*tuple); ok {
			if err := writeKey(text, inner, depth+1); err != nil {
				return err
			}
			continue
		}
		hash, err := hashKey(text.b, item)
		if err != nil {
			return err
		}
		part := fmt.Sprintf("%T:%v", hash, hash)
		if err := text.write(fmt.Sprintf("%d:%s", len(part), part)); err != nil {
			return err
		}
	}
	return text.write(")")
}
