package mlx

// Reductions work along one axis; keep leaves that axis with length 1.

// Sum adds up.
func (g *Graph) Sum(a Array, axis int, keep bool) Array { return g.reduce(opSum, a, axis, keep) }

// Mean averages.
func (g *Graph) Mean(a Array, axis int, keep bool) Array { return g.reduce(opMean, a, axis, keep) }

// Max returns the greatest.
func (g *Graph) Max(a Array, axis int, keep bool) Array { return g.reduce(opMax, a, axis, keep) }

// Min returns the least.
func (g *Graph) Min(a Array, axis int, keep bool) Array { return g.reduce(opMin, a, axis, keep) }

// ArgMax returns the index of the greatest as Uint32, the first one on a tie.
func (g *Graph) ArgMax(a Array, axis int, keep bool) Array { return g.reduce(opArgmax, a, axis, keep) }

// LogSumExp returns log(sum(exp(a))) without overflow.
func (g *Graph) LogSumExp(a Array, axis int, keep bool) Array {
	return g.reduce(opLogsumexp, a, axis, keep)
}

func (g *Graph) reduce(o op, a Array, axis int, keep bool) Array {
	if !g.begin(a) {
		return Array{}
	}
	g.int(axis)
	g.bool(keep)
	return g.one(o)
}

// Softmax normalises along an axis, accumulating in float32.
func (g *Graph) Softmax(a Array, axis int) Array { return g.apply1(opSoftmax, a, axis) }

// CumSum returns running sums, each with its own element in it.
func (g *Graph) CumSum(a Array, axis int) Array { return g.apply1(opCumsum, a, axis) }

// Sort sorts ascending.
func (g *Graph) Sort(a Array, axis int) Array { return g.apply1(opSort, a, axis) }

// ArgSort returns the Uint32 indices that sort ascending.
func (g *Graph) ArgSort(a Array, axis int) Array { return g.apply1(opArgsort, a, axis) }

// ArgPartition returns Uint32 indices such that the entry at kth is where
// sorting would put it, the lesser ones before and the greater ones after it,
// each in any order.
func (g *Graph) ArgPartition(a Array, kth, axis int) Array {
	return g.apply1(opArgpartition, a, kth, axis)
}

// TopK returns the k greatest entries of the last axis of a [B, V] array and
// their Uint32 indices, both [B, k] in descending order.
func (g *Graph) TopK(a Array, k int) (values, indices Array) {
	shape := a.Shape()
	if g.err == nil && (len(shape) != 2 || k < 1 || k > shape[1]) {
		g.fail("top-k", errTopK(k, shape))
	}
	if g.err != nil {
		return Array{}, Array{}
	}
	negated := g.Neg(a)
	top := g.Slice(g.ArgPartition(negated, k-1, 1), []int{0, 0}, []int{shape[0], k})
	order := g.ArgSort(g.TakeAlongAxis(negated, top, 1), 1)
	indices = g.TakeAlongAxis(top, order, 1)
	return g.TakeAlongAxis(a, indices, 1), indices
}
