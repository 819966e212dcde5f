package jinja

// scope holds the variables of one frame. A for body, a macro, a with, a
// filter or set block each have their own; an if has not. What a scope sets is
// gone when it ends.
type scope struct {
	vars   map[string]Value
	parent *scope // where the frame stands in the template; nil for the root
}

// missing marks a variable that the frame will set later; until then it hides
// outer variables of its name and reads as undefined.
type missing struct{}

// child opens the scope of a frame inside s.
func (s *scope) child(f *frame) *scope {
	inner := &scope{parent: s}
	for _, name := range f.hidden {
		inner.set(name, Value{missing{}})
	}
	return inner
}

func (s *scope) set(name string, v Value) {
	if s.vars == nil {
		s.vars = map[string]Value{}
	}
	s.vars[name] = v
}

func (s *scope) get(name string) (Value, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			if _, hidden := v.v.(missing); hidden {
				return Value{}, false
			}
			return v, true
		}
	}
	return Value{}, false
}

// top is the scope of the template's top level.
func (s *scope) top() *scope {
	for s.parent != nil && s.parent.parent != nil && s.parent.parent.parent != nil {
		s = s.parent
	}
	return s
}
