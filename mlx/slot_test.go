package mlx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// pool is a slot of zeros [blocks, heads, tokens, dim], evaluated.
func pool(t *testing.T, g *Graph, shape ...int) *Slot {
	t.Helper()
	slot := g.NewSlot(g.Zeros(Float32, shape...))
	require.NoError(t, g.Eval(slot.Array()))
	require.True(t, slot.Intact())
	return slot
}

func TestUpdatesWriteWhereTheyShould(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		slot := pool(t, g, 2, 2, 3, 1)
		step := c.NewGraph()
		// Block 1, tokens 0 and 2, both heads: update is [2 writes, 1, heads, 1, dim].
		step.Scatter(slot, step.FromFloat32s([]float32{1, 2, 3, 4}, 2, 1, 2, 1, 1), []int{0, 2},
			step.FromInt32s([]int32{1, 1}, 2), step.FromInt32s([]int32{0, 2}, 2))
		step.SliceUpdate(slot, step.Full(9, Float32, 1, 1, 2, 1), []int{0, 1, 1, 0}, []int{1, 2, 3, 1})
		step.PutAlongAxis(slot, step.FromInt32s([]int32{1, 2}, 2, 1, 1, 1), step.Full(5, Float32, 1), 2)
		require.NoError(t, step.Eval())
		require.NoError(t, step.Close())
		requireValues(t, g, slot.Array(), []float64{
			0, 5, 0, 0, 5, 9, // block 0
			1, 0, 5, 2, 0, 5, // block 1
		}, 0)
	})
}

// The promise of a slot: the buffer stays where it is, and no second one is made.
func TestUpdatesDoNotCopy(t *testing.T) {
	const blocks, heads, tokens, dim, layers = 16, 2, 64, 32, 6
	const size = blocks * heads * tokens * dim * 4
	updates := map[string]func(g *Graph, s *Slot, i int, row Array){
		"scatter": func(g *Graph, s *Slot, i int, row Array) {
			g.Scatter(s, g.Reshape(row, 1, 1, heads, 1, dim), []int{0, 2},
				g.FromInt32s([]int32{int32(i % blocks)}, 1), g.FromInt32s([]int32{int32(i % tokens)}, 1))
		},
		"slice update": func(g *Graph, s *Slot, i int, row Array) {
			at, to := i%tokens, i%tokens+1
			g.SliceUpdate(s, g.Reshape(row, 1, heads, 1, dim), []int{1, 0, at, 0}, []int{2, heads, to, dim})
		},
		"put along axis": func(g *Graph, s *Slot, i int, row Array) {
			g.PutAlongAxis(s, g.Full(float64(i%tokens), Int32, blocks, 1, 1, 1), g.Reshape(row, 1, heads, 1, dim), 2)
		},
	}
	for name, update := range updates {
		t.Run(name, func(t *testing.T) {
			with(t, func(c *Context, g *Graph) {
				slots := make([]*Slot, layers)
				where := make([]uintptr, layers)
				for l := range slots {
					slots[l] = pool(t, g, blocks, heads, tokens, dim)
					where[l] = cellData(slots[l].Array().h)
				}
				before := c.Memory().Active
				c.ResetPeak()
				for i := range 50 {
					step := c.NewGraph()
					x := step.Full(float64(i), Float32, heads*dim)
					for _, s := range slots {
						update(step, s, i, x)
						// Later layers depend on what was just written, as attention does.
						seen := step.Slice(s.Array(), []int{0, 0, 0, 0}, []int{1, 1, 1, 1})
						x = step.Add(x, step.Reshape(seen, 1))
					}
					require.NoError(t, step.Eval(x))
					require.NoError(t, step.Close())
				}
				for l, s := range slots {
					require.Equal(t, where[l], cellData(s.Array().h), "the buffer of layer %d moved", l)
				}
				m := c.Memory()
				require.Equal(t, before, m.Active)
				require.Less(t, m.Peak-before, size, "a buffer was copied")
			})
		})
	}
}

// The measurement above can fail: a second reference does force a copy.
func TestASecondReferenceCopies(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		slot := pool(t, g, 64, 64)
		where := cellData(slot.Array().h)
		g.Keep(slot.Array())
		step := c.NewGraph()
		step.SliceUpdate(slot, step.Full(1, Float32, 1, 64), []int{0, 0}, []int{1, 64})
		require.NoError(t, step.Eval())
		require.NotEqual(t, where, cellData(slot.Array().h))
		require.NoError(t, step.Close())
	})
}

func TestCloseWithoutEvalTakesUpdatesBack(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		slot := pool(t, g, 2)
		step := c.NewGraph()
		step.SliceUpdate(slot, step.Full(1, Float32, 1), []int{0}, []int{1})
		step.SliceUpdate(slot, step.Full(2, Float32, 1), []int{1}, []int{2})
		require.False(t, slot.Intact())
		step.MatMul(slot.Array(), step.Zeros(Float32, 5, 5)) // the mistake that ends the step
		require.Error(t, step.Eval())
		require.NoError(t, step.Close())
		require.True(t, slot.Intact())
		requireValues(t, g, slot.Array(), []float64{0, 0}, 0)

		// What was evaluated stays, what came after it does not.
		step = c.NewGraph()
		step.SliceUpdate(slot, step.Full(3, Float32, 1), []int{0}, []int{1})
		require.NoError(t, step.Eval())
		step.SliceUpdate(slot, step.Full(4, Float32, 1), []int{0}, []int{1})
		require.NoError(t, step.Close())
		requireValues(t, g, slot.Array(), []float64{3, 0}, 0)
	})
}

func TestAFailedEvalShowsInTheSlotAndSetRepairsIt(t *testing.T) {
	other := start(t)
	var foreign Array // an unevaluated array of another thread, which no Eval here can compute
	require.NoError(t, other.Do(func(c *Context) error {
		foreign = c.NewGraph().Full(1, Float32, 2)
		return nil
	}))
	with(t, func(c *Context, g *Graph) {
		slot := pool(t, g, 2)
		step := c.NewGraph()
		step.SliceUpdate(slot, step.Slice(foreign, []int{0}, []int{1}), []int{0}, []int{1})
		require.Error(t, step.Eval())
		require.NoError(t, step.Close())
		require.False(t, slot.Intact())

		step = c.NewGraph()
		step.Set(slot, step.Full(6, Float32, 2))
		require.NoError(t, step.Eval())
		require.NoError(t, step.Close())
		require.True(t, slot.Intact())
		requireValues(t, g, slot.Array(), []float64{6, 6}, 0)
	})
	require.NoError(t, other.Do(func(*Context) error { return foreign.owner.Close() }))
}

// Reading a value in the middle of a step makes the updates so far final, and
// still without a copy.
func TestReadingDoesNotCopyEither(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		slot := pool(t, g, 64, 64)
		where := cellData(slot.Array().h)
		step := c.NewGraph()
		step.SliceUpdate(slot, step.Full(1, Float32, 1, 64), []int{3, 0}, []int{4, 64})
		requireValues(t, step, step.Sum(step.Reshape(slot.Array(), -1), 0, false), []float64{64}, 0)
		require.NoError(t, step.Close())
		require.Equal(t, where, cellData(slot.Array().h))
	})
}

func TestNewSlotConsumesItsArray(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		a := g.Zeros(Float32, 2)
		g.NewSlot(a)
		g.Neg(a)
		require.ErrorIs(t, g.Err(), ErrNull)
	})
}

func TestUpdateMistakes(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		slot := pool(t, g, 2, 3)
		for name, mistake := range map[string]func(*Graph){
			"slice update":   func(g *Graph) { g.SliceUpdate(slot, g.Zeros(Float32, 9), []int{0, 0}, []int{1, 3}) },
			"axes":           func(g *Graph) { g.SliceUpdate(slot, g.Zeros(Float32, 1), []int{0}, []int{1}) },
			"scatter":        func(g *Graph) { g.Scatter(slot, g.Zeros(Float32, 2), []int{0}, g.Zeros(Int32, 1)) },
			"put along axis": func(g *Graph) { g.PutAlongAxis(slot, g.Zeros(Int32, 1), g.Zeros(Float32, 1), 0) },
		} {
			step := c.NewGraph()
			mistake(step)
			require.Error(t, step.Err(), name)
			require.NoError(t, step.Close())
			require.True(t, slot.Intact(), name)
		}
	})
}
