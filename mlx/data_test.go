package mlx

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDataRoundTrips(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		floats := []float32{0, -1.5, math.MaxFloat32, float32(math.Inf(-1)), math.SmallestNonzeroFloat32, 3}
		got, err := g.Float32s(g.FromFloat32s(floats, 2, 3))
		require.NoError(t, err)
		require.Equal(t, floats, got)

		ints := []int32{0, -1, math.MaxInt32, math.MinInt32}
		back, err := g.Int32s(g.FromInt32s(ints, 4))
		require.NoError(t, err)
		require.Equal(t, ints, back)

		words := []uint32{0, math.MaxUint32, 7}
		data, err := g.Bytes(g.FromUint32s(words, 3))
		require.NoError(t, err)
		for i, w := range words {
			require.Equal(t, w, binary.NativeEndian.Uint32(data[4*i:]))
		}

		data, err = g.Bytes(g.FromBools([]bool{true, false}, 2))
		require.NoError(t, err)
		require.Equal(t, []byte{1, 0}, data)
	})
}

func TestFromBytesCopies(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		data := []byte{1, 2, 3}
		a := g.FromBytes(data, Uint8, 3)
		data[0] = 99
		got, err := g.Bytes(a)
		require.NoError(t, err)
		require.Equal(t, []byte{1, 2, 3}, got)
	})
}

// An empty array is counted like any other, and a slot of it is written in place.
func TestEmptyMakesSlots(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		before := c.Memory().Active
		slot := g.NewSlot(g.Empty(Float16, 1000, 8))
		require.True(t, slot.Intact())
		require.Equal(t, []int{1000, 8}, slot.Array().Shape())
		require.GreaterOrEqual(t, c.Memory().Active-before, 16000)
		where := cellData(slot.Array().h)

		step := c.NewGraph()
		step.SliceUpdate(slot, step.Full(7, Float16, 1, 8), []int{999, 0}, []int{1000, 8})
		require.NoError(t, step.Eval())
		require.NoError(t, step.Close())
		require.Equal(t, where, cellData(slot.Array().h))
		requireValues(t, g, g.Slice(slot.Array(), []int{999, 0}, []int{1000, 8}), []float64{7, 7, 7, 7, 7, 7, 7, 7}, 0)
	})
}

func TestReadingAViewGivesRowMajorOrder(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		view := g.Transpose(g.Slice(counting(g, 3, 4), []int{1, 1}, []int{3, 3}))
		got := make([]float32, 4)
		require.NoError(t, g.ReadFloat32s(got, view))
		require.Equal(t, []float32{5, 9, 6, 10}, got)
	})
}

func TestEmptyArrays(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		empty := g.FromFloat32s(nil, 0, 4)
		require.Equal(t, []int{0, 4}, empty.Shape())
		got, err := g.Float32s(g.Neg(empty))
		require.NoError(t, err)
		require.Empty(t, got)
		requireValues(t, g, g.Concatenate(0, empty, g.Full(1, Float32, 1, 4)), []float64{1, 1, 1, 1}, 0)
	})
}
