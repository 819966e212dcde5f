package jinja

import "math"

// MarshalJSON writes v with its keys in order and without spaces. Infinite
// numbers and values that exist only while a template runs are errors.
func (v Value) MarshalJSON() ([]byte, error) {
	if f, ok := v.v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return nil, failf("%s is not a JSON number", floatRepr(f))
	}
	// The value exists already, so nothing but its depth needs a bound.
	limits := Limits{Steps: math.MaxInt / 2, Output: math.MaxInt / 2, Alloc: math.MaxInt / 2}
	r := &run{budget: budget{limits: limits, nextClock: math.MaxInt}}
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
