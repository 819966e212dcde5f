package mlx

// Slot is a cell that holds one array and is updated in place. Its updates
// consume the old value: since nothing else refers to it, MLX writes into the
// same buffer. For that to hold when the update is evaluated, no other array may
// share the buffer: views of it (Slice, Reshape) made in earlier graphs must be
// closed by then. A slot must be row-contiguous and own its memory, which
// Zeros and the results of Contiguous do once evaluated.
//
// An update is made in a step's graph and becomes final with that graph's Eval;
// Close without Eval takes it back.
type Slot struct {
	a Array
}

// NewSlot makes a slot owned by g with the value of a, which must not be used
// afterwards.
func (g *Graph) NewSlot(a Array) *Slot {
	if !g.begin(a) {
		return &Slot{}
	}
	cell, err := newSlot(g.c, a.h)
	if err != nil {
		g.fail("", err)
		return &Slot{}
	}
	return &Slot{a: Array{owner: g, h: cell}}
}

// Array returns the slot as an input for operations. It always refers to the
// current value, also after later updates; operations already made keep the value
// that they were given.
func (s *Slot) Array() Array { return s.a }

// Intact reports whether the slot holds an evaluated value. It is false between
// an update and its Eval, and after an Eval that failed in the middle: then the
// slot needs a Set.
func (s *Slot) Intact() bool { return s.a.Valid() && cellAvailable(s.a.h) }

// Set replaces the value of s.
func (g *Graph) Set(s *Slot, a Array) {
	if g.begin(s.a, a) {
		g.update(opAssign)
	}
}

// SliceUpdate writes s[start:stop] = update, with one entry per axis.
func (g *Graph) SliceUpdate(s *Slot, update Array, start, stop []int) {
	if !g.begin(s.a, update) {
		return
	}
	g.int(start...)
	g.int(stop...)
	g.update(opSliceUpdate)
}

// PutAlongAxis writes s[..., indices[...], ...] = values along an axis; indices
// has as many axes as s, values broadcasts to it.
func (g *Graph) PutAlongAxis(s *Slot, indices, values Array, axis int) {
	if !g.begin(s.a, indices, values) {
		return
	}
	g.int(axis)
	g.update(opPutAlongAxis)
}

// Scatter writes update at the positions given by one index array per entry of
// axes. The index arrays broadcast together to a shape I; update has the shape
// I + s.Shape() with the indexed axes of length 1 (or the length written).
// Positions must be within bounds and, where the order matters, distinct.
func (g *Graph) Scatter(s *Slot, update Array, axes []int, indices ...Array) {
	if !g.begin(s.a, update) {
		return
	}
	if g.inputs(indices...); g.err != nil {
		return
	}
	g.int(axes...)
	g.update(opScatter)
}

func (g *Graph) update(o op) {
	if err := update(g.c, o, g.in, g.ints); err != nil {
		g.fail("", err)
	}
}
