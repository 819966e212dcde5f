package mlx

import "fmt"

// Graph owns arrays and records the operations that make them. It is used on
// the thread of the Context that made it, and closed there.
type Graph struct {
	c      graphPtr
	err    error
	closed bool

	// Arguments of the call that is being made; kept to avoid an allocation
	// for each operation.
	in     []handle
	ints   []int64
	floats []float64
	out    []handle
}

// Err returns the first error of an operation in this graph, or nil.
func (g *Graph) Err() error { return g.err }

// Close frees every array of the graph. Updates of slots that were never
// evaluated are undone, so that a step which failed while it was being built
// leaves the slots as they were. Closing twice does nothing. It returns ErrThread on
// another thread, and then frees nothing.
func (g *Graph) Close() error {
	if g.closed {
		return nil
	}
	if err := freeGraph(g.c); err != nil {
		return err
	}
	g.closed = true
	return nil
}

// Eval computes the arrays, and every slot that was updated in this graph, and
// waits for them. It returns the graph's sticky error if there is one. If the
// computation itself fails, slots updated in this graph may be lost: see
// Slot.Intact.
func (g *Graph) Eval(arrays ...Array) error {
	if !g.begin(arrays...) {
		return g.err
	}
	if err := eval(g.c, g.in); err != nil {
		g.fail("eval", err)
	}
	return g.err
}

// Keep makes a, an array of any graph, an array of g as well: it lives until
// both are closed. It is how an evaluated weight leaves the graph that loaded
// it. Do not keep a slot: a second owner forces its next update to copy.
func (g *Graph) Keep(a Array) Array { return g.apply1(opAssign, a) }

// begin starts a call with its inputs. It reports false, with the sticky error
// set, if the call must not be made.
func (g *Graph) begin(in ...Array) bool {
	if g.closed {
		g.fail("graph", ErrClosed)
	}
	if g.err != nil {
		return false
	}
	g.in, g.ints, g.floats = g.in[:0], g.ints[:0], g.floats[:0]
	g.inputs(in...)
	return g.err == nil
}

func (g *Graph) inputs(in ...Array) {
	for _, a := range in {
		if a.h != 0 && a.owner.closed {
			g.fail("input", ErrClosed)
		}
		g.in = append(g.in, a.h)
	}
}

func (g *Graph) int(values ...int) {
	for _, v := range values {
		g.ints = append(g.ints, int64(v))
	}
}

func (g *Graph) bool(v bool) {
	if v {
		g.int(1)
	} else {
		g.int(0)
	}
}

// end makes the call that begin started and returns its n results.
func (g *Graph) end(o op, n int) []handle {
	for len(g.out) < n {
		g.out = append(g.out, 0)
	}
	if err := apply(g.c, o, g.in, g.ints, g.floats, g.out[:n]); err != nil {
		g.fail("", err)
		return nil
	}
	return g.out[:n]
}

// one is end for operations with a single result.
func (g *Graph) one(o op) Array {
	if out := g.end(o, 1); out != nil {
		return Array{owner: g, h: out[0]}
	}
	return Array{}
}

// apply1 is an operation with array inputs and integer arguments only.
func (g *Graph) apply1(o op, a Array, ints ...int) Array {
	if !g.begin(a) {
		return Array{}
	}
	g.int(ints...)
	return g.one(o)
}

func (g *Graph) apply2(o op, a, b Array, ints ...int) Array {
	if !g.begin(a, b) {
		return Array{}
	}
	g.int(ints...)
	return g.one(o)
}

func (g *Graph) fail(what string, err error) {
	if g.err != nil {
		return
	}
	if what != "" {
		err = fmt.Errorf("mlx: %s: %w", what, err)
	}
	g.err = err
}
