package chat

import "troupe/runtime/chat/jinja"

// Value is a JSON-like value that keeps the order of keys and the difference
// between int and float, since templates show both to the model.
type Value = jinja.Value

// Map is an ordered map under construction; see NewMap.
type Map = jinja.Dict

// ParseJSON reads one JSON text. See jinja.ParseJSON for what it refuses.
func ParseJSON(data []byte) (Value, error) { return jinja.ParseJSON(data) }

// Null makes a null value.
func Null() Value { return jinja.Null() }

// Bool makes a boolean.
func Bool(b bool) Value { return jinja.Bool(b) }

// Int makes an integer.
func Int(i int64) Value { return jinja.Int(i) }

// Float makes a floating point number.
func Float(f float64) Value { return jinja.Float(f) }

// String makes a string.
func String(s string) Value { return jinja.String(s) }

// List makes a list, which takes ownership of items.
func List(items ...Value) Value { return jinja.List(items...) }

// NewMap starts an ordered map: NewMap().Set("a", Int(1)).Value().
func NewMap() *Map { return jinja.NewDict() }
