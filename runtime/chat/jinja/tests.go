package jinja

import (
	"math"
	"unicode"
)

// testFunc decides "x is test(args)".
type testFunc func(r *run, x Value, a args) (bool, error)

// testNamed finds a test; nil if there is none of that name.
func testNamed(name string) testFunc {
	switch name {
	case "defined":
		return plainTest(func(x Value) bool { return !isUndefined(x) })
	case "undefined":
		return plainTest(isUndefined)
	case "none":
		return plainTest(Value.IsNull)
	case "boolean":
		return plainTest(func(x Value) bool { return x.Kind() == BoolKind })
	case "true":
		return plainTest(func(x Value) bool { return x.v == true })
	case "false":
		return plainTest(func(x Value) bool { return x.v == false })
	case "integer":
		return plainTest(func(x Value) bool { return x.Kind() == IntKind })
	case "float":
		return plainTest(func(x Value) bool { return x.Kind() == FloatKind })
	case "number":
		return plainTest(func(x Value) bool { _, ok := x.number(); return ok })
	case "string":
		return plainTest(func(x Value) bool { return x.Kind() == StringKind })
	case "mapping":
		return plainTest(func(x Value) bool { return x.Kind() == MapKind })
	case "iterable":
		return plainTest(iterable)
	case "sequence":
		return plainTest(isSequence)
	case "callable":
		return plainTest(isCallable)
	case "escaped":
		return plainTest(isMarkup)
	case "odd":
		return remainderTest(Int(2), Int(1))
	case "even":
		return remainderTest(Int(2), Int(0))
	case "divisibleby":
		return divisibleTest
	case "lower":
		return caseTest(unicode.IsLower, unicode.IsUpper)
	case "upper":
		return caseTest(unicode.IsUpper, unicode.IsLower)
	case "sameas":
		return sameTest
	case "in":
		return operatorTest("in")
	case "==", "eq", "equalto":
		return operatorTest("==")
	case "!=", "ne":
		return operatorTest("!=")
	case ">", "gt", "greaterthan":
		return operatorTest(">")
	case ">=", "ge":
		return operatorTest(">=")
	case "<", "lt", "lessthan":
		return operatorTest("<")
	case "<=", "le":
		return operatorTest("<=")
	case "filter":
		return nameTest(func(name string) bool { return filterNamed(name) != nil })
	case "test":
		return nameTest(func(name string) bool { return testNamed(name) != nil })
	}
	return nil
}

func (r *run) test(name string, x Value, a args) (bool, error) {
	f := testNamed(name)
	if f == nil {
		return false, failf("no test named '%.60s'", name)
	}
	return f(r, x, a)
}

// plainTest makes a test that takes no arguments and cannot fail.
func plainTest(f func(Value) bool) testFunc {
	return func(_ *run, x Value, a args) (bool, error) {
		return f(x), a.positional("test", 0, 0)
	}
}

// operatorTest makes a test of "x op argument".
func operatorTest(op string) testFunc {
	return func(r *run, x Value, a args) (bool, error) {
		if err := a.positional("test '"+op+"'", 1, 1); err != nil {
			return false, err
		}
		return r.compareOp(op, x, a.pos[0])
	}
}

func nameTest(known func(string) bool) testFunc {
	return func(_ *run, x Value, a args) (bool, error) {
		if err := a.positional("test", 0, 0); err != nil {
			return false, err
		}
		name, _ := x.AsString()
		return known(name), nil
	}
}

func remainderTest(by, want Value) testFunc {
	return func(r *run, x Value, a args) (bool, error) {
		if err := a.positional("test", 0, 0); err != nil {
			return false, err
		}
		rest, err := r.binary("%", x, by)
		if err != nil {
			return false, err
		}
		return r.equal(rest, want, 0)
	}
}

func divisibleTest(r *run, x Value, a args) (bool, error) {
	b, err := a.bind("divisibleby", 1, "num")
	if err != nil {
		return false, err
	}
	return remainderTest(b.values[0], Int(0))(r, x, args{})
}

// caseTest is str.islower or str.isupper: some letter is of the wanted case,
// none of the other (or a title case).
func caseTest(want, other func(rune) bool) testFunc {
	return func(r *run, x Value, a args) (bool, error) {
		if err := a.positional("test", 0, 0); err != nil {
			return false, err
		}
		s, err := r.str(x)
		return isCase(s, want, other), err
	}
}

func isCase(s string, want, other func(rune) bool) bool {
	found := false
	for _, c := range s {
		if other(c) || unicode.IsTitle(c) {
			return false
		}
		found = found || want(c)
	}
	return found
}

// sameTest is Python's "is". Small integers and equal strings written in a
// template are the same object there; here equal scalars of one type are.
func sameTest(_ *run, x Value, a args) (bool, error) {
	b, err := a.bind("sameas", 1, "other")
	if err != nil {
		return false, err
	}
	if f, ok := x.v.(float64); ok && math.IsNaN(f) {
		return false, nil
	}
	return x.v == b.values[0].v, nil
}

func isCallable(x Value) bool {
	switch x.v.(type) {
	case *function, *macro, *loop, *undefined:
		return true
	}
	return false
}

// isSequence: it has a length and can be subscripted, so maps count as well.
func isSequence(x Value) bool {
	switch x.v.(type) {
	case string, markup, *list, *tuple, *group, *Dict, *span, *undefined:
		return true
	}
	return false
}
