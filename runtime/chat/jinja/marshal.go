package jinja

import (
	"context"
	"math"
)

// MarshalJSON writes v with its keys in order and without spaces. Infinite
// numbers and values that exist only while a template runs are errors.
func (v Value) MarshalJSON() ([]byte, error) {
	if f, ok := v.v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return nil, failf("%s is not a JSON number", floatRepr(f))
	}
	limits := Limits{Steps: math.MaxInt / 2, Output: math.MaxInt / 2, Alloc: math.MaxInt / 2}.withDefaults()
	ctx := context.Background()
	r := &run{budget: budget{ctx: ctx, parent: ctx, limits: limits}}
	w := jsonWriter{buffer{b: &r.budget}, jsonStyle{itemSep: ",", keySep: ":"}, r}
	err := w.value(v, 0)
	return w.text, err
}

// UnmarshalJSON is ParseJSON for struct fields.
func (v *Value) UnmarshalJSON(data []byte) error {
	parsed, err := ParseJSON(data)
	if err == nil {
		*v = parsed
	}
	return err
}
