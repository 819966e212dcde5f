package jinja

// frame is what the parser knows about the variables of one scope. jinja2
// decides before rendering where a name comes from: a name that a frame sets
// before it reads it, and that no outer frame mentions, belongs to the frame
// from its beginning. Until it is set it is undefined even if the caller
// passed a variable of that name.
type frame struct {
	hidden   []string // the names that are undefined at first
	refs     map[string]bool
	setFirst []string // names whose first mention sets them, in order
	inner    []*frame
	isolated bool // a block: it does not see the frames around
	branches int  // ifs around the current place
}

// newFrame opens a frame inside p's current one and makes it the current one,
// until the function that it returns is called.
func (p *parser) newFrame(params ...string) (f *frame, leave func()) {
	f = &frame{refs: map[string]bool{}}
	for _, name := range params {
		f.refs[name] = true
	}
	outer := p.frame
	if outer != nil {
		outer.inner = append(outer.inner, f)
	}
	p.frame = f
	return f, func() { p.frame = outer }
}

// load notes that the current frame reads name.
func (p *parser) load(name string) {
	p.uses[name]++
	p.frame.refs[name] = true
}

// store notes that the current frame sets the names of t.
func (p *parser) store(t target) {
	for _, name := range t.names() {
		if !p.frame.refs[name] && p.frame.branches == 0 {
			p.frame.setFirst = append(p.frame.setFirst, name)
		}
		p.frame.refs[name] = true
	}
}

// names are the variables that an assignment to t sets.
func (t target) names() []string {
	switch {
	case t.tuple:
		var names []string
		for _, item := range t.items {
			names = append(names, item.names()...)
		}
		return names
	case t.ns != nil:
		return nil
	}
	return []string{t.name}
}

// resolve fills in hidden, for f and the frames inside it. outer are the
// frames around f; the parser bounds how deep they nest.
func (f *frame) resolve(outer ...*frame) {
	if f.isolated {
		outer = nil
	}
	for _, name := range f.setFirst {
		mentioned := false
		for _, o := range outer {
			mentioned = mentioned || o.refs[name]
		}
		if !mentioned {
			f.hidden = append(f.hidden, name)
		}
	}
	around := append(append([]*frame(nil), outer...), f)
	for _, inner := range f.inner {
		inner.resolve(around...)
	}
}
