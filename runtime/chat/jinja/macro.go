package jinja

// macro is a callable macro, or the caller of a call block. It sees the
// variables of the place where it stands.
type macro struct {
	def   *macroDef
	scope *scope
}

// blockCaller is the name under which the call of a call block finds the
// block; no template can spell it.
const blockCaller = "{caller}"

func (n *macroStmt) exec(_ *run, s *scope) (control, error) {
	s.set(n.macro.name, Value{&macro{n.macro, s}})
	return proceed, nil
}

func (n *callStmt) exec(r *run, s *scope) (control, error) {
	inner := &scope{parent: s}
	inner.set(blockCaller, Value{&macro{n.caller, s}})
	v, err := r.eval(n.call, inner)
	if err != nil {
		return proceed, err
	}
	text, err := r.str(v)
	if err != nil {
		return proceed, err
	}
	return proceed, r.out.write(text)
}

// call calls any callable value.
func (r *run) call(fn Value, a args) (Value, error) {
	if err := defined(fn); err != nil {
		return Value{}, err
	}
	switch f := fn.v.(type) {
	case *function:
		return f.call(r, a)
	case *macro:
		return f.call(r, a)
	case *loop:
		return f.call(a)
	}
	return Value{}, failf("'%s' object is not callable", typeName(fn))
}

func (m *macro) call(r *run, a args) (Value, error) {
	s := m.scope.child(m.def.frame)
	rest, err := m.bind(r, a, s)
	if err != nil {
		return Value{}, err
	}
	if len(rest.names) > 0 && !m.def.kwargs {
		return Value{}, failf("macro '%s' takes no keyword argument '%s'", m.def.name, rest.names[0])
	}
	if len(rest.pos) > 0 && !m.def.varargs {
		return Value{}, failf("macro '%s' takes not more than %d argument(s)", m.def.name, len(m.def.params))
	}
	if m.def.kwargs {
		d := NewDict()
		for i, name := range rest.names {
			d.Set(name, rest.named[i])
		}
		s.set("kwargs", d.Value())
	}
	if m.def.varargs {
		s.set("varargs", newTuple(rest.pos...))
	}
	outer := r.out
	r.out = &buffer{b: &r.budget}
	err = r.nest(func() error {
		if err := m.defaults(r, s); err != nil {
			return err
		}
		_, err := r.exec(m.def.body, s)
		return err
	})
	text := r.out.String()
	r.out = outer
	return String(text), err
}

// bind sets the parameters that have arguments and returns the arguments that
// are left.
func (m *macro) bind(r *run, a args, s *scope) (args, error) {
	rest := args{}
	if n := len(m.def.params); len(a.pos) > n {
		rest.pos = a.pos[n:]
		a.pos = a.pos[:n]
	}
	for i, v := range a.pos {
		s.set(m.def.params[i], v)
	}
	takesCaller := false
	for _, param := range m.def.params {
		takesCaller = takesCaller || param == "caller"
	}
	for i, name := range a.names {
		at := -1
		for j, param := range m.def.params {
			if param == name && j >= len(a.pos) {
				at = j
			}
		}
		switch {
		case at >= 0, name == "caller" && m.def.caller && !takesCaller:
			s.set(name, a.named[i])
		default:
			rest.names, rest.named = append(rest.names, name), append(rest.named, a.named[i])
		}
	}
	if m.def.caller && !takesCaller {
		if c, ok := s.vars["caller"]; !ok || c.IsNull() {
			s.set("caller", undefinedHint("No caller defined"))
		}
	}
	return rest, nil
}

// defaults fills in the parameters without arguments, in order, so that a
// default may use the parameters before it.
func (m *macro) defaults(r *run, s *scope) error {
	first := len(m.def.params) - len(m.def.defaults)
	for i, param := range m.def.params {
		if _, ok := s.vars[param]; ok {
			continue
		}
		if i < first {
			s.set(param, undefinedHint("parameter '%s' was not provided", param))
			continue
		}
		v, err := r.eval(m.def.defaults[i-first], s)
		if err != nil {
			return err
		}
		s.set(param, v)
	}
	return nil
}
