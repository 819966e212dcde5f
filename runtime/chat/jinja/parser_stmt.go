package jinja

// refused are tags of jinja2 that need a template loader or make no sense in a
// prompt; they get a clearer message than an unknown tag.
func refusedTag(name string) bool {
	switch name {
	case "extends", "include", "import", "from", "autoescape":
		return true
	}
	return false
}

// statement reads one block tag, whose name is the current token, up to the
// "%}" of its end.
func (p *parser) statement() (stmt, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	t := p.tok()
	if t.kind != tokName {
		return nil, p.fail("expected a tag name, got %s", t.describe())
	}
	read := map[string]func(line) (stmt, error){
		"if": p.ifTag, "for": p.forTag, "set": p.setTag, "macro": p.macroTag,
		"call": p.callTag, "filter": p.filterTag, "with": p.withTag,
		"generation": p.generationTag, "block": p.blockTag, "print": p.printTag,
		"break": p.breakTag, "continue": p.continueTag,
	}[t.text]
	if read == nil {
		if refusedTag(t.text) {
			return nil, p.fail("tag '%s' is not supported in chat templates", t.text)
		}
		return nil, p.unknownTag()
	}
	p.next()
	p.open = append(p.open, t.text)
	defer func() { p.open = p.open[:len(p.open)-1] }()
	return read(line(t.line))
}

func (p *parser) ifTag(at line) (stmt, error) {
	known := len(p.unknown)
	test, err := p.tuple(tupleOptions{})
	if err != nil {
		return nil, err
	}
	node := &ifStmt{line: at, test: test}
	p.frame.branches++
	defer func() { p.frame.branches-- }()
	body, end, err := p.body("elif", "else", "endif")
	if err != nil {
		return nil, err
	}
	node.body = body
	switch end {
	case "elif":
		// elif is an if inside else; enter bounds how many may follow.
		if err := p.enter(); err != nil {
			return nil, err
		}
		defer p.leave()
		nested, err := p.ifTag(line(p.tok().line))
		if err != nil {
			return nil, err
		}
		node.other = []stmt{nested}
	case "else":
		if node.other, _, err = p.body("endif"); err != nil {
			return nil, err
		}
	}
	p.unknown = p.unknown[:known]
	return node, nil
}

func (p *parser) forTag(at line) (stmt, error) {
	p.fors++
	defer func() { p.fors-- }()
	node := &forStmt{line: at}
	var err error
	if node.target, err = p.target(false); err != nil {
		return nil, err
	}
	if !p.skipName("in") {
		return nil, p.fail("expected 'in', got %s", p.tok().describe())
	}
	if node.iter, err = p.tuple(tupleOptions{}); err != nil {
		return nil, err
	}
	if p.skipName("if") {
		var leave func()
		node.testFrame, leave = p.newFrame(node.target.names()...)
		node.test, err = p.expression()
		leave()
		if err != nil {
			return nil, err
		}
	}
	node.recursive = p.skipName("recursive")
	loopUses := p.uses["loop"]
	p.loops++
	bodyFrame, leave := p.newFrame(append(node.target.names(), "loop")...)
	body, end, err := p.body("endfor", "else")
	leave()
	p.loops--
	if err != nil {
		return nil, err
	}
	node.body, node.bodyFrame = body, bodyFrame
	node.extended = node.recursive || p.uses["loop"] > loopUses
	node.elseFrame, leave = p.newFrame()
	defer leave()
	if end == "else" {
		node.other, _, err = p.body("endfor")
	}
	return node, err
}

func (p *parser) setTag(at line) (stmt, error) {
	to, err := p.target(true)
	if err != nil {
		return nil, err
	}
	if p.skipOp("=") {
		value, err := p.tuple(tupleOptions{conditional: true})
		p.store(to)
		return &setStmt{at, to, value}, err
	}
	p.store(to)
	node := &setBlockStmt{line: at, target: to}
	var leave func()
	node.frame, leave = p.newFrame()
	defer leave()
	var guard chainGuard
	for p.skipOp("|") {
		if err := guard.link(p); err != nil {
			return nil, err
		}
		if node.filter, err = p.filter(node.filter); err != nil {
			return nil, err
		}
	}
	node.body, _, err = p.body("endset")
	return node, err
}

// signature reads the parameters of a macro or a call block.
func (p *parser) signature(m *macroDef) error {
	if err := p.expectOp("("); err != nil {
		return err
	}
	for !p.tok().op(")") {
		if len(m.params) > 0 {
			if err := p.expectOp(","); err != nil {
				return err
			}
		}
		name, err := p.targetName()
		if err != nil {
			return err
		}
		for _, other := range m.params {
			if other == name {
				return p.fail("parameter '%s' is given twice", name)
			}
		}
		if p.skipOp("=") {
			x, err := p.expression()
			if err != nil {
				return err
			}
			m.defaults = append(m.defaults, x)
		} else if len(m.defaults) > 0 {
			return p.fail("a parameter without default follows one with a default")
		}
		m.params = append(m.params, name)
	}
	return p.expectOp(")")
}

// macroBody reads the body and finds out which special names it uses.
func (p *parser) macroBody(m *macroDef, end string) (err error) {
	var leave func()
	m.frame, leave = p.newFrame(append([]string{"caller", "kwargs", "varargs"}, m.params...)...)
	defer leave()
	loops := p.loops
	p.loops = 0 // break does not reach out of a macro
	defer func() { p.loops = loops }()
	before := [3]int{p.uses["caller"], p.uses["kwargs"], p.uses["varargs"]}
	if m.body, _, err = p.body(end); err != nil {
		return err
	}
	isParam := func(name string) bool {
		for _, param := range m.params {
			if param == name {
				return true
			}
		}
		return false
	}
	m.caller = p.uses["caller"] > before[0]
	m.kwargs = p.uses["kwargs"] > before[1] && !isParam("kwargs")
	m.varargs = p.uses["varargs"] > before[2] && !isParam("varargs")
	for i, param := range m.params {
		if m.caller && param == "caller" && i < len(m.params)-len(m.defaults) {
			return p.fail("the special parameter 'caller' needs a default")
		}
	}
	return nil
}

func (p *parser) macroTag(at line) (stmt, error) {
	name, err := p.targetName()
	if err != nil {
		return nil, err
	}
	p.store(target{name: name})
	m := &macroDef{name: name}
	if err := p.signature(m); err != nil {
		return nil, err
	}
	return &macroStmt{at, m}, p.macroBody(m, "endmacro")
}

func (p *parser) callTag(at line) (stmt, error) {
	m := &macroDef{}
	if p.tok().op("(") {
		if err := p.signature(m); err != nil {
			return nil, err
		}
	}
	x, err := p.expression()
	if err != nil {
		return nil, err
	}
	call, ok := x.(*callExpr)
	if !ok {
		return nil, p.failAt(int(at), "'call' needs a call such as name(...)")
	}
	call.args.callBlock = true
	return &callStmt{at, call, m}, p.macroBody(m, "endcall")
}

func (p *parser) filterTag(at line) (stmt, error) {
	filter, err := p.filter(nil)
	var guard chainGuard
	for err == nil && p.skipOp("|") {
		if err = guard.link(p); err == nil {
			filter, err = p.filter(filter)
		}
	}
	if err != nil {
		return nil, err
	}
	f, leave := p.newFrame()
	defer leave()
	body, _, err := p.body("endfilter")
	return &filterStmt{at, filter, body, f}, err
}

func (p *parser) withTag(at line) (stmt, error) {
	node := &withStmt{line: at}
	for p.tok().kind != tokBlockEnd {
		if len(node.targets) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		to, err := p.target(false)
		if err != nil {
			return nil, err
		}
		if err := p.expectOp("="); err != nil {
			return nil, err
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		node.targets, node.values = append(node.targets, to), append(node.values, x)
	}
	var names []string
	for _, to := range node.targets {
		names = append(names, to.names()...)
	}
	f, leave := p.newFrame(names...)
	defer leave()
	node.frame = f
	body, _, err := p.body("endwith")
	node.body = body
	return node, err
}

func (p *parser) generationTag(at line) (stmt, error) {
	loops := p.loops
	p.loops = 0
	f, leave := p.newFrame()
	defer leave()
	body, _, err := p.body("endgeneration")
	p.loops = loops
	return &generationStmt{at, body, f}, err
}

func (p *parser) blockTag(at line) (stmt, error) {
	name, err := p.expectName()
	if err != nil {
		return nil, err
	}
	node := &blockStmt{line: at, scoped: p.skipName("scoped")}
	loops := p.loops
	p.loops = 0
	var leave func()
	node.frame, leave = p.newFrame()
	defer leave()
	node.frame.isolated = !node.scoped
	node.body, _, err = p.body("endblock")
	p.loops = loops
	p.skipName(name)
	return node, err
}

func (p *parser) printTag(at line) (stmt, error) {
	node := &outputStmt{line: at}
	for p.tok().kind != tokBlockEnd {
		if len(node.parts) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		node.parts = append(node.parts, x)
	}
	return node, nil
}

func (p *parser) breakTag(at line) (stmt, error) {
	if p.loops == 0 {
		return nil, p.failAt(int(at), "'break' outside of a loop")
	}
	return &breakStmt{at}, nil
}

func (p *parser) continueTag(at line) (stmt, error) {
	if p.loops == 0 {
		return nil, p.failAt(int(at), "'continue' outside of a loop")
	}
	return &continueStmt{at}, nil
}

// targetName reads a name that is assigned to.
func (p *parser) targetName() (string, error) {
	name, err := p.expectName()
	if err != nil {
		return "", err
	}
	switch name {
	case "true", "false", "none", "True", "False", "None":
		return "", p.fail("cannot assign to '%s'", name)
	case "loop":
		if p.fors > 0 {
			return "", p.fail("cannot assign to the special variable 'loop' in a loop")
		}
	}
	return name, nil
}

// target reads what is assigned to; attributes of namespaces are allowed if
// namespaces is true.
func (p *parser) target(namespaces bool) (target, error) {
	var items []target
	isTuple := false
	for {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return target{}, err
			}
		}
		t := p.tok()
		if t.kind == tokBlockEnd || t.op(")") {
			break
		}
		item, err := p.oneTarget(namespaces)
		if err != nil {
			return target{}, err
		}
		items = append(items, item)
		if !p.tok().op(",") {
			break
		}
		isTuple = true
	}
	if isTuple {
		return target{items: items, tuple: true}, nil
	}
	if len(items) == 0 {
		return target{}, p.fail("expected a name to assign to, got %s", p.tok().describe())
	}
	return items[0], nil
}

func (p *parser) oneTarget(namespaces bool) (target, error) {
	if err := p.enter(); err != nil {
		return target{}, err
	}
	defer p.leave()
	if p.skipOp("(") {
		inner, err := p.target(false)
		if err != nil {
			return target{}, err
		}
		return inner, p.expectOp(")")
	}
	if p.tok().kind != tokName {
		return target{}, p.fail("cannot assign to %s", p.tok().describe())
	}
	if namespaces && p.look().op(".") {
		name := p.next().text
		p.next()
		p.load(name)
		attr, err := p.expectName()
		return target{ns: &nsTarget{name, attr}}, err
	}
	name, err := p.targetName()
	return target{name: name}, err
}
