package jinja

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// primary reads a name, a literal or a bracketed expression.
func (p *parser) primary() (expr, error) {
	t := p.tok()
	switch t.kind {
	case tokName:
		p.next()
		return p.nameOrConstant(t.text), nil
	case tokString:
		var b strings.Builder
		for p.tok().kind == tokString { // neighbours join, as in Python
			b.WriteString(p.next().text)
		}
		return &constExpr{String(b.String())}, nil
	case tokInteger:
		p.next()
		v, err := parseInteger(t.text)
		if err != nil {
			return nil, p.failAt(t.line, "%v", err)
		}
		return &constExpr{v}, nil
	case tokFloat:
		p.next()
		f, _ := strconv.ParseFloat(t.text, 64) // infinity when out of range, as in Python
		return &constExpr{Float(f)}, nil
	}
	switch {
	case p.skipOp("("):
		x, err := p.tuple(tupleOptions{conditional: true, parenthesised: true})
		if err != nil {
			return nil, err
		}
		return x, p.expectOp(")")
	case p.skipOp("["):
		items, err := p.items("]", func() (expr, error) { return p.expression() })
		return &listExpr{items}, err
	case p.skipOp("{"):
		return p.dictLiteral()
	}
	return nil, p.fail("unexpected %s", t.describe())
}

func (p *parser) nameOrConstant(name string) expr {
	switch name {
	case "true", "True":
		return &constExpr{Bool(true)}
	case "false", "False":
		return &constExpr{Bool(false)}
	case "none", "None":
		return &constExpr{Null()}
	}
	p.load(name)
	return &nameExpr{name}
}

func parseInteger(text string) (Value, error) {
	i, err := strconv.ParseInt(text, 0, 64)
	if err == nil {
		return Int(i), nil
	}
	if strings.Trim(text, "0") == "" {
		return Int(0), nil
	}
	n, ok := new(big.Int).SetString(text, 0)
	if !ok || len(text) > 4300 {
		return Value{}, fmt.Errorf("integer %.40s cannot be read", text)
	}
	return Value{n}, nil
}

// items reads expressions, separated by commas, up to the closing bracket; a
// comma may stand before it.
func (p *parser) items(closing string, read func() (expr, error)) ([]expr, error) {
	var items []expr
	for !p.tok().op(closing) {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.tok().op(closing) {
				break
			}
		}
		x, err := read()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	return items, p.expectOp(closing)
}

func (p *parser) dictLiteral() (expr, error) {
	node := &dictExpr{}
	_, err := p.items("}", func() (expr, error) {
		key, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expectOp(":"); err != nil {
			return nil, err
		}
		value, err := p.expression()
		node.keys, node.values = append(node.keys, key), append(node.values, value)
		return key, err
	})
	return node, err
}

// tupleOptions say how tuple reads its parts.
type tupleOptions struct {
	conditional   bool // inline ifs are allowed
	parenthesised bool // () is an empty tuple
}

// tuple reads one expression, or several with commas, which make a tuple.
func (p *parser) tuple(o tupleOptions) (expr, error) {
	var items []expr
	isTuple := false
	for {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		t := p.tok()
		if t.kind == tokVariableEnd || t.kind == tokBlockEnd || t.op(")") {
			break
		}
		read := p.simple
		if o.conditional {
			read = p.expression
		}
		x, err := read()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
		if !p.tok().op(",") {
			break
		}
		isTuple = true
	}
	if !isTuple && len(items) == 1 {
		return items[0], nil
	}
	if !isTuple && !o.parenthesised {
		return nil, p.fail("expected an expression, got %s", p.tok().describe())
	}
	return &tupleExpr{items}, nil
}

// postfix reads attributes, subscripts and calls after x.
func (p *parser) postfix(x expr) (expr, error) {
	var guard chainGuard
	for {
		if err := guard.link(p); err != nil {
			return nil, err
		}
		var err error
		switch {
		case p.skipOp("."):
			x, err = p.attribute(x)
		case p.skipOp("["):
			x, err = p.subscript(x)
		case p.tok().op("("):
			x, err = p.call(x)
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) attribute(x expr) (expr, error) {
	t := p.next()
	switch t.kind {
	case tokName:
		return &attrExpr{x, t.text}, nil
	case tokInteger:
		v, err := parseInteger(t.text)
		if err != nil {
			return nil, p.failAt(t.line, "%v", err)
		}
		return &itemExpr{x, &constExpr{v}}, nil
	}
	return nil, p.failAt(t.line, "expected a name or a number after '.', got %s", t.describe())
}

func (p *parser) subscript(x expr) (expr, error) {
	if p.tok().op("]") {
		return nil, p.fail("expected a subscript, got ']'")
	}
	var slice *sliceExpr
	keys, err := p.items("]", func() (expr, error) {
		if !p.tok().op(":") {
			key, err := p.expression()
			if err != nil || !p.tok().op(":") {
				return key, err
			}
			slice = &sliceExpr{x: x, start: key}
		} else {
			slice = &sliceExpr{x: x}
		}
		return nil, p.sliceBounds(slice)
	})
	switch {
	case err != nil:
		return nil, err
	case slice != nil && len(keys) > 1:
		return nil, p.fail("a slice cannot be one of several subscripts")
	case slice != nil:
		return slice, nil
	case len(keys) == 1:
		return &itemExpr{x, keys[0]}, nil
	}
	return &itemExpr{x, &tupleExpr{keys}}, nil
}

// sliceBounds reads ":stop:step" after the start.
func (p *parser) sliceBounds(s *sliceExpr) (err error) {
	p.next()
	ended := func() bool { return p.tok().op("]") || p.tok().op(",") || p.tok().op(":") }
	if !ended() {
		if s.stop, err = p.expression(); err != nil {
			return err
		}
	}
	if p.skipOp(":") && !ended() {
		s.step, err = p.expression()
	}
	return err
}
