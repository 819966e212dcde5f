package mlx

// Negative axes count from the end in all of these.

// Reshape gives a another shape; one dimension may be -1.
func (g *Graph) Reshape(a Array, shape ...int) Array { return g.apply1(opReshape, a, shape...) }

// Transpose permutes the axes; without axes it reverses them.
func (g *Graph) Transpose(a Array, axes ...int) Array { return g.apply1(opTranspose, a, axes...) }

// Slice returns a[start:stop] with one entry per axis of a.
func (g *Graph) Slice(a Array, start, stop []int) Array {
	if !g.begin(a) {
		return Array{}
	}
	g.int(start...)
	g.int(stop...)
	return g.one(opSlice)
}

// ExpandDims inserts axes of length 1.
func (g *Graph) ExpandDims(a Array, axes ...int) Array { return g.apply1(opExpandDims, a, axes...) }

// Squeeze removes axes of length 1.
func (g *Graph) Squeeze(a Array, axes ...int) Array { return g.apply1(opSqueeze, a, axes...) }

// BroadcastTo repeats a to the shape without copying it.
func (g *Graph) BroadcastTo(a Array, shape ...int) Array { return g.apply1(opBroadcastTo, a, shape...) }

// Contiguous returns a in row-major order without gaps, copied if need be.
func (g *Graph) Contiguous(a Array) Array { return g.apply1(opContiguous, a) }

// Concatenate joins arrays along an axis.
func (g *Graph) Concatenate(axis int, arrays ...Array) Array {
	if !g.begin(arrays...) {
		return Array{}
	}
	g.int(axis)
	return g.one(opConcatenate)
}

// Stack joins arrays of one shape along a new axis.
func (g *Graph) Stack(axis int, arrays ...Array) Array {
	if !g.begin(arrays...) {
		return Array{}
	}
	g.int(axis)
	return g.one(opStack)
}

// Split cuts a along an axis into parts of equal length. After an error the
// parts are null.
func (g *Graph) Split(a Array, parts, axis int) []Array {
	if parts < 1 {
		g.fail("split", errParts(parts))
		return nil
	}
	arrays := make([]Array, parts)
	if !g.begin(a) {
		return arrays
	}
	g.int(parts, axis)
	for i, h := range g.end(opSplit, parts) {
		arrays[i] = Array{owner: g, h: h}
	}
	return arrays
}

// Take gathers the entries at indices along an axis: for the rows of an
// embedding [V, D] with indices [B, T] and axis 0 the result is [B, T, D].
// On the CPU an index out of range is not noticed: check before.
func (g *Graph) Take(a, indices Array, axis int) Array { return g.apply2(opTake, a, indices, axis) }

// TakeAlongAxis picks a[..., indices[...], ...] along an axis; indices has as
// many axes as a and broadcasts on the others.
func (g *Graph) TakeAlongAxis(a, indices Array, axis int) Array {
	return g.apply2(opTakeAlongAxis, a, indices, axis)
}
