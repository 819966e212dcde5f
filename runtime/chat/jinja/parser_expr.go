package jinja

// maxChain bounds the length of a chain such as a + b + c ..., whose tree is
// as deep as the chain is long.
const maxChain = 1000

// chainGuard counts the links of one chain.
type chainGuard int

func (g *chainGuard) link(p *parser) error {
	*g++
	if *g > maxChain {
		return p.fail("expression with more than %d links", maxChain)
	}
	return nil
}

// expression reads a whole expression with inline ifs.
func (p *parser) expression() (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	line, known := p.tok().line, len(p.unknown)
	x, err := p.or()
	if err != nil {
		return nil, err
	}
	var guard chainGuard
	for p.skipName("if") {
		if err := guard.link(p); err != nil {
			return nil, err
		}
		test, err := p.or()
		if err != nil {
			return nil, err
		}
		var other expr
		if p.skipName("else") {
			if other, err = p.expression(); err != nil {
				return nil, err
			}
		}
		x = &condExpr{test, x, other, line}
		p.unknown = p.unknown[:known] // branches may name what they never reach
	}
	return x, nil
}

// simple reads an expression without an inline if at its top.
func (p *parser) simple() (expr, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	return p.or()
}

// chain reads a left-associative chain: operand, then op gives the operator
// or "" at the end, and join builds the node.
func (p *parser) chain(operand func() (expr, error), op func() string, join func(op string, left, right expr) expr) (expr, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	var guard chainGuard
	for {
		text := op()
		if text == "" {
			return left, nil
		}
		if err := guard.link(p); err != nil {
			return nil, err
		}
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = join(text, left, right)
	}
}

// keyword and operator make the op argument of chain.
func (p *parser) keyword(name string) func() string {
	return func() string {
		if p.skipName(name) {
			return name
		}
		return ""
	}
}

func (p *parser) operator(ops ...string) func() string {
	return func() string {
		for _, op := range ops {
			if p.skipOp(op) {
				return op
			}
		}
		return ""
	}
}

func joinBinary(op string, left, right expr) expr { return &binaryExpr{op, left, right} }

func (p *parser) or() (expr, error) {
	return p.chain(p.and, p.keyword("or"), func(_ string, l, r expr) expr { return &orExpr{l, r} })
}

func (p *parser) and() (expr, error) {
	return p.chain(p.not, p.keyword("and"), func(_ string, l, r expr) expr { return &andExpr{l, r} })
}

func (p *parser) not() (expr, error) {
	if !p.skipName("not") {
		return p.compare()
	}
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	x, err := p.not()
	return &notExpr{x}, err
}

func (p *parser) compare() (expr, error) {
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	node := &compareExpr{first: first}
	for {
		op := p.operator("==", "!=", "<=", ">=", "<", ">")()
		switch {
		case op != "":
		case p.skipName("in"):
			op = "in"
		case p.tok().is("not") && p.look().is("in"):
			p.next()
			p.next()
			op = "not in"
		default:
			if len(node.ops) == 0 {
				return first, nil
			}
			return node, nil
		}
		x, err := p.sum()
		if err != nil {
			return nil, err
		}
		node.ops, node.rest = append(node.ops, op), append(node.rest, x)
	}
}

func (p *parser) sum() (expr, error) {
	return p.chain(p.concat, p.operator("+", "-"), joinBinary)
}

func (p *parser) concat() (expr, error) {
	first, err := p.product()
	if err != nil {
		return nil, err
	}
	items := []expr{first}
	for p.skipOp("~") {
		x, err := p.product()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	if len(items) == 1 {
		return first, nil
	}
	return &concatExpr{items}, nil
}

func (p *parser) product() (expr, error) {
	return p.chain(p.power, p.operator("*", "/", "//", "%"), joinBinary)
}

// power is left-associative in jinja2, and binds less than a minus sign.
func (p *parser) power() (expr, error) {
	return p.chain(func() (expr, error) { return p.unary(true) }, p.operator("**"), joinBinary)
}

func (p *parser) unary(filters bool) (expr, error) {
	var x expr
	var err error
	if op := p.operator("-", "+")(); op != "" {
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		if x, err = p.unary(false); err != nil {
			return nil, err
		}
		x = &unaryExpr{op[0], x}
	} else if x, err = p.primary(); err != nil {
		return nil, err
	}
	if x, err = p.postfix(x); err != nil || !filters {
		return x, err
	}
	return p.filtersAndTests(x)
}
