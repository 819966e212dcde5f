package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

func absFilter(_ *run, x Value, a args) (Value, error) {
	if err := a.positional("abs", 0, 0); err != nil {
		return Value{}, err
	}
	if i, ok := x.index(); ok {
		if i < 0 {
			return unary('-', Int(i))
		}
		return Int(i), nil
	}
	if f, ok := x.v.(float64); ok {
		return Float(math.Abs(f)), nil
	}
	if n, ok := x.v.(bigInt); ok {
		return Value{new(big.Int).Abs(n)}, nil
	}
	return Value{}, failf("bad operand type for abs(): '%s'", typeName(x))
}

// intFilter is int(x), or the default when x is no number.
func intFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("int", 0, "default", "base")
	if err != nil {
		return Value{}, err
	}
	if err := defined(x); err != nil {
		return Value{}, err
	}
	base, err := b.int(1, 10)
	if err != nil {
		return Value{}, err
	}
	def := b.opt(0, Int(0))
	if x.Kind() == IntKind {
		return x, nil
	}
	if i, ok := x.index(); ok {
		return Int(i), nil
	}
	f, isFloat := x.v.(float64)
	if s, ok := x.AsString(); ok {
		if err := r.step(2 * len(s)); err != nil { // long numbers take quadratic time
			return Value{}, err
		}
		if v, ok := parseInt(s, int(base)); ok {
			return v, nil
		}
		f, isFloat = parseFloat(s)
	}
	if !isFloat || math.IsNaN(f) || math.IsInf(f, 0) {
		return def, nil
	}
	return truncate(f), nil
}

// truncate cuts off the fraction of a finite float.
func truncate(f float64) Value {
	if math.Abs(f) < 1<<62 {
		return Int(int64(f))
	}
	n, _ := big.NewFloat(f).Int(nil)
	return Value{n}
}

// parseInt is Python's int(s, base): white space around, a sign, underscores
// between digits, and a prefix where it fits the base.
func parseInt(s string, base int) (Value, bool) {
	s = strings.TrimFunc(s, isSpace)
	if base < 0 || base == 1 || base > 36 || len(s) > 4300 {
		return Value{}, false
	}
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 || digits == "" {
		return Value{}, false
	}
	negative := strings.HasPrefix(s, "-")
	prefix := strings.ToLower(digits[:min(2, len(digits))])
	if of := map[string]int{"0x": 16, "0o": 8, "0b": 2}[prefix]; of != 0 && (base == of || base == 0) {
		base = of
		digits = strings.TrimPrefix(digits[2:], "_")
	} else if base == 0 {
		if digits[0] == '0' && strings.Trim(digits, "0_") != "" {
			return Value{}, false
		}
		base = 10
	}
	plain := strings.ReplaceAll(digits, "_", "")
	if plain == "" || digits[0] == '_' || strings.HasSuffix(digits, "_") || strings.Contains(digits, "__") || strings.ContainsAny(plain, "+-") {
		return Value{}, false
	}
	if negative {
		plain = "-" + plain
	}
	if i, err := strconv.ParseInt(plain, base, 64); err == nil {
		return Int(i), true
	}
	n, ok := new(big.Int).SetString(plain, base)
	return Value{n}, ok
}

// parseFloat is Python's float(s).
func parseFloat(s string) (float64, bool) {
	s = strings.TrimFunc(s, isSpace)
	if strings.ContainsAny(s, "xXpP") { // hexadecimal floats are Go's, not Python's
		return 0, false
	}
	plain := strings.ReplaceAll(s, "_", "")
	if plain != s {
		for i := range len(s) {
			if s[i] == '_' && (i == 0 || i == len(s)-1 || !isDigit(s[i-1]) || !isDigit(s[i+1])) {
				return 0, false
			}
		}
	}
	f, err := strconv.ParseFloat(plain, 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func floatFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("float", 0, "default")
	if err != nil {
		return Value{}, err
	}
	if err := defined(x); err != nil {
		return Value{}, err
	}
	if f, ok := x.number(); ok {
		return Float(f), nil
	}
	if s, ok := x.AsString(); ok {
		if err := r.step(len(s) / 4); err != nil {
			return Value{}, err
		}
		if f, ok := parseFloat(s); ok {
			return Float(f), nil
		}
	}
	return b.opt(0, Float(0)), nil
}

// roundFilter rounds halves of the decimal text to even, as Python does.
func roundFilter(_ *run, x Value, a args) (Value, error) {
	b, err := a.bind("round", 0, "precision", "method")
	if err != nil {
		return Value{}, err
	}
	precision, err := b.int(0, 0)
	if err != nil {
		return Value{}, err
	}
	if _, ok := x.v.(bigInt); ok && precision >= 0 {
		return x, nil
	}
	how, _ := b.opt(1, String("common")).AsString()
	f, ok := x.number()
	if !ok {
		return Value{}, failf("type %s doesn't define __round__ method", typeName(x))
	}
	switch how {
	case "common":
		if i, ok := x.index(); ok {
			return roundInt(i, precision), nil
		}
		return Float(roundFloat(f, precision)), nil
	case "ceil", "floor":
		round := math.Floor
		if how == "ceil" {
			round = math.Ceil
		}
		scale := math.Pow(10, float64(precision))
		scaled := round(f * scale)
		if math.IsNaN(scaled) || math.IsInf(scaled, 0) {
			return Value{}, failf("cannot round %s", floatRepr(f))
		}
		return Float(scaled / scale), nil
	}
	return Value{}, failf("method must be common, ceil or floor")
}

func roundInt(i, precision int64) Value {
	if precision >= 0 {
		return Int(i)
	}
	if precision < -18 {
		return Int(0)
	}
	unit := int64(math.Pow(10, float64(-precision)))
	rest := i % unit
	i -= rest
	switch {
	case 2*rest > unit || 2*rest == unit && (i/unit)%2 != 0:
		i += unit
	case 2*rest < -unit || 2*rest == -unit && (i/unit)%2 != 0:
		i -= unit
	}
	return Int(i)
}

func roundFloat(f float64, precision int64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) || precision > 320 {
		return f
	}
	if precision < -308 {
		return math.Copysign(0, f)
	}
	if precision >= 0 {
		rounded, _ := strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(precision), 64), 64)
		return rounded
	}
	unit := math.Pow(10, float64(-precision))
	return math.RoundToEven(f/unit) * unit
}

// sumFilter adds the items, or an attribute of each, to start.
func sumFilter(r *run, x Value, a args) (Value, error) {
	b, err := a.bind("sum", 0, "attribute", "start")
	if err != nil {
		return Value{}, err
	}
	items, err := r.iterate(x)
	if err != nil {
		return Value{}, err
	}
	total := b.opt(1, Int(0))
	if total.Kind() == StringKind {
		return Value{}, failf("sum() can't sum strings [use ''.join(seq) instead]")
	}
	for _, item := range items {
		if !b.values[0].IsNull() {
			if item, err = r.attrPath(item, b.values[0], Value{}, false); err != nil {
				return Value{}, err
			}
		}
		if total, err = r.binary("+", total, item); err != nil {
			return Value{}, err
		}
	}
	return total, nil
}
