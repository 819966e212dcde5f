package jinja

import (
	"math"
	"strings"
)

func unary(op byte, v Value) (Value, error) {
	if err := defined(v); err != nil {
		return Value{}, err
	}
	if i, ok := v.index(); ok {
		if op == '-' {
			if i == math.MinInt64 {
				return Value{}, tooBig()
			}
			i = -i
		}
		return Int(i), nil
	}
	if f, ok := v.v.(float64); ok {
		if op == '-' {
			f = -f
		}
		return Float(f), nil
	}
	return Value{}, failf("bad operand type for unary %c: '%s'", op, typeName(v))
}

func tooBig() error { return failf("integers beyond 64 bits are not supported") }

func badOperands(op string, a, b Value) error {
	return failf("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
}

// binary computes a op b with Python's rules.
func (r *run) binary(op string, a, b Value) (Value, error) {
	if op == "%" {
		if s, ok := a.AsString(); ok { // formatting takes undefined values
			text, err := r.printf(s, b, isMarkup(a))
			return likeString(a, text), err
		}
	}
	if err := defined(a, b); err != nil {
		return Value{}, err
	}
	_, bigA := a.v.(bigInt)
	_, bigB := b.v.(bigInt)
	if bigA || bigB {
		return Value{}, tooBig()
	}
	x, intA := a.index()
	y, intB := b.index()
	if intA && intB {
		return intOp(op, x, y)
	}
	f, numA := a.number()
	g, numB := b.number()
	if numA && numB {
		return floatOp(op, f, g)
	}
	switch op {
	case "+":
		return r.add(a, b)
	case "*":
		if intB {
			return r.repeat(a, y, b)
		}
		if intA {
			return r.repeat(b, x, a)
		}
	}
	return Value{}, badOperands(op, a, b)
}

func (r *run) add(a, b Value) (Value, error) {
	s, strA := a.AsString()
	t, strB := b.AsString()
	if strA && strB {
		_, safeA := a.v.(markup)
		_, safeB := b.v.(markup)
		if safeA != safeB { // marked and plain text: the plain one is escaped
			if safeA {
				t = escapeHTML(t)
			} else {
				s = escapeHTML(s)
			}
		}
		if err := r.text(len(s) + len(t)); err != nil {
			return Value{}, err
		}
		if safeA || safeB {
			return Value{markup(s + t)}, nil
		}
		return String(s + t), nil
	}
	left, okA := a.sequence()
	right, okB := b.sequence()
	if okA && okB && typeName(a) == typeName(b) {
		if err := r.items(len(left) + len(right)); err != nil {
			return Value{}, err
		}
		joined := append(append(make([]Value, 0, len(left)+len(right)), left...), right...)
		if _, ok := a.v.(*tuple); ok {
			return newTuple(joined...), nil
		}
		return List(joined...), nil
	}
	return Value{}, badOperands("+", a, b)
}

// repeat is sequence * n; other is the operand that was n, for the error.
func (r *run) repeat(v Value, n int64, other Value) (Value, error) {
	n = max(n, 0)
	if s, ok := v.AsString(); ok {
		if len(s) > 0 && n > int64(r.limits.Output/len(s)) {
			return Value{}, r.text(-1)
		}
		if err := r.text(len(s) * int(n)); err != nil {
			return Value{}, err
		}
		if s == "" {
			return v, nil
		}
		return likeString(v, strings.Repeat(s, int(n))), nil
	}
	items, ok := v.sequence()
	if !ok {
		return Value{}, badOperands("*", v, other)
	}
	if len(items) == 0 {
		return v, nil
	}
	if n > int64(r.limits.Alloc/len(items)) {
		return Value{}, r.items(-1)
	}
	if err := r.items(len(items) * int(n)); err != nil {
		return Value{}, err
	}
	all := make([]Value, 0, len(items)*int(n))
	for range n {
		all = append(all, items...)
	}
	if _, ok := v.v.(*tuple); ok {
		return newTuple(all...), nil
	}
	return List(all...), nil
}

func intOp(op string, x, y int64) (Value, error) {
	switch op {
	case "+":
		if z := x + y; (z > x) == (y > 0) {
			return Int(z), nil
		}
		return Value{}, tooBig()
	case "-":
		if z := x - y; (z < x) == (y > 0) {
			return Int(z), nil
		}
		return Value{}, tooBig()
	case "*":
		return mulInt(x, y)
	case "**":
		return powInt(x, y)
	}
	if y == 0 {
		return Value{}, failf("division by zero")
	}
	if op == "/" {
		return Float(float64(x) / float64(y)), nil
	}
	if x == math.MinInt64 && y == -1 {
		return Value{}, tooBig()
	}
	quotient, rest := x/y, x%y
	if rest != 0 && (rest < 0) != (y < 0) { // Python rounds down
		quotient, rest = quotient-1, rest+y
	}
	if op == "//" {
		return Int(quotient), nil
	}
	return Int(rest), nil
}

func mulInt(x, y int64) (Value, error) {
	if x == 0 || y == 0 {
		return Int(0), nil
	}
	z := x * y
	if z/y != x || x == -1 && y == math.MinInt64 || y == -1 && x == math.MinInt64 {
		return Value{}, tooBig()
	}
	return Int(z), nil
}

func powInt(x, y int64) (Value, error) {
	if y < 0 {
		if x == 0 {
			return Value{}, failf("0.0 cannot be raised to a negative power")
		}
		return Float(math.Pow(float64(x), float64(y))), nil
	}
	if x == 0 || x == 1 || x == -1 {
		switch {
		case y == 0 || x == 1 || x == -1 && y%2 == 0:
			return Int(1), nil
		}
		return Int(x), nil
	}
	result := Int(1)
	for range min(y, 64) {
		var err error
		if result, err = mulInt(result.v.(int64), x); err != nil {
			return Value{}, err
		}
	}
	return result, nil
}

func floatOp(op string, x, y float64) (Value, error) {
	switch op {
	case "+":
		return Float(x + y), nil
	case "-":
		return Float(x - y), nil
	case "*":
		return Float(x * y), nil
	case "**":
		z := math.Pow(x, y)
		if x == 0 && y < 0 || math.IsInf(z, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) || math.IsNaN(z) && !math.IsNaN(x) && !math.IsNaN(y) {
			return Value{}, failf("power is out of range")
		}
		return Float(z), nil
	}
	if y == 0 {
		return Value{}, failf("float division by zero")
	}
	if op == "/" {
		return Float(x / y), nil
	}
	rest := math.Mod(x, y)
	quotient := (x - rest) / y
	switch {
	case rest == 0:
		rest = math.Copysign(0, y)
	case (rest < 0) != (y < 0): // Python rounds down
		rest, quotient = rest+y, quotient-1
	}
	if op == "//" {
		if quotient == 0 {
			return Float(math.Copysign(0, x/y)), nil
		}
		whole := math.Floor(quotient)
		if quotient-whole > 0.5 {
			whole++
		}
		return Float(whole), nil
	}
	return Float(rest), nil
}
