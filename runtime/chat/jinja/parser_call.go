package jinja

// call reads the arguments after x, which is called.
func (p *parser) call(x expr) (expr, error) {
	args, err := p.callArgs()
	return &callExpr{x, args}, err
}

func (p *parser) callArgs() (a callArgs, err error) {
	if err := p.expectOp("("); err != nil {
		return a, err
	}
	line := p.tok().line
	first := true
	for !p.tok().op(")") {
		if !first {
			if err := p.expectOp(","); err != nil {
				return a, err
			}
			if p.tok().op(")") {
				break
			}
		}
		first = false
		if err := p.argument(&a, line); err != nil {
			return a, err
		}
	}
	return a, p.expectOp(")")
}

func (p *parser) argument(a *callArgs, line int) (err error) {
	var ordered bool
	switch {
	case p.skipOp("*"):
		ordered = a.star == nil && a.starStar == nil
		a.star, err = p.expression()
	case p.skipOp("**"):
		ordered = a.starStar == nil
		a.starStar, err = p.expression()
	case p.tok().kind == tokName && p.look().op("="):
		ordered = a.starStar == nil
		name := p.next().text
		p.next()
		for _, other := range a.names {
			if other == name {
				return p.failAt(line, "keyword argument '%s' is given twice", name)
			}
		}
		var x expr
		x, err = p.expression()
		a.names, a.values = append(a.names, name), append(a.values, x)
	default:
		ordered = a.star == nil && a.starStar == nil && len(a.names) == 0
		var x expr
		x, err = p.expression()
		a.pos = append(a.pos, x)
	}
	if err == nil && !ordered {
		return p.failAt(line, "arguments of a call are in the wrong order")
	}
	return err
}

// filtersAndTests reads "| filter" and "is test" after x.
func (p *parser) filtersAndTests(x expr) (expr, error) {
	var guard chainGuard
	for {
		if err := guard.link(p); err != nil {
			return nil, err
		}
		var err error
		switch {
		case p.skipOp("|"):
			x, err = p.filter(x)
		case p.skipName("is"):
			x, err = p.test(x)
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

// dottedName reads the name of a filter or a test.
func (p *parser) dottedName() (string, error) {
	name, err := p.expectName()
	for err == nil && p.skipOp(".") {
		var part string
		part, err = p.expectName()
		name += "." + part
	}
	return name, err
}

// filter reads the name and arguments of a filter of x.
func (p *parser) filter(x expr) (expr, error) {
	line := p.tok().line
	name, err := p.dottedName()
	if err != nil {
		return nil, err
	}
	node := &filterExpr{x: x, name: name}
	if p.tok().op("(") {
		if node.args, err = p.callArgs(); err != nil {
			return nil, err
		}
	}
	if filterNamed(name) == nil {
		p.unknown = append(p.unknown, p.failAt(line, "no filter named '%s'", name))
	}
	return node, nil
}

// test reads the name and argument of a test of x; the one argument may stand
// without parentheses.
func (p *parser) test(x expr) (expr, error) {
	line := p.tok().line
	negated := p.skipName("not")
	name, err := p.dottedName()
	if err != nil {
		return nil, err
	}
	node := &testExpr{x: x, name: name}
	t := p.tok()
	switch {
	case t.op("("):
		if node.args, err = p.callArgs(); err != nil {
			return nil, err
		}
	case t.is("else") || t.is("or") || t.is("and"):
	case t.is("is"):
		return nil, p.fail("tests cannot be chained with 'is'")
	case t.kind == tokName || t.kind == tokString || t.kind == tokInteger || t.kind == tokFloat || t.op("[") || t.op("{"):
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		arg, err := p.primary()
		if err != nil {
			return nil, err
		}
		if arg, err = p.postfix(arg); err != nil {
			return nil, err
		}
		node.args.pos = []expr{arg}
	}
	if testNamed(name) == nil {
		p.unknown = append(p.unknown, p.failAt(line, "no test named '%s'", name))
	}
	if negated {
		return &notExpr{node}, nil
	}
	return node, nil
}
