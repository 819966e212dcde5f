package mlx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// counting is 0, 1, 2 … in the given shape, so that an element tells where it
// came from.
func counting(g *Graph, shape ...int) Array {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return g.Reshape(g.Arange(0, n, Float32), shape...)
}

func TestShapes(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		a := counting(g, 2, 3)
		b := g.AddScalar(a, 10)
		cases := []struct {
			name  string
			got   Array
			shape []int
			want  []float64
		}{
			{"reshape", g.Reshape(a, 3, -1), []int{3, 2}, []float64{0, 1, 2, 3, 4, 5}},
			{"transpose", g.Transpose(a), []int{3, 2}, []float64{0, 3, 1, 4, 2, 5}},
			{"transpose axes", g.Transpose(counting(g, 1, 2, 3), 2, 0, 1), []int{3, 1, 2}, []float64{0, 3, 1, 4, 2, 5}},
			{"slice", g.Slice(a, []int{0, 1}, []int{2, 3}), []int{2, 2}, []float64{1, 2, 4, 5}},
			{"slice to the end", g.Slice(a, []int{1, 0}, []int{2, 2}), []int{1, 2}, []float64{3, 4}},
			{"expand", g.ExpandDims(a, 0, -1), []int{1, 2, 3, 1}, []float64{0, 1, 2, 3, 4, 5}},
			{"squeeze", g.Squeeze(g.Reshape(a, 1, 6, 1), 0, 2), []int{6}, []float64{0, 1, 2, 3, 4, 5}},
			{"broadcast", g.BroadcastTo(counting(g, 2, 1), 2, 2), []int{2, 2}, []float64{0, 0, 1, 1}},
			{"contiguous", g.Contiguous(g.Transpose(a)), []int{3, 2}, []float64{0, 3, 1, 4, 2, 5}},
			{"concatenate", g.Concatenate(1, a, b), []int{2, 6}, []float64{0, 1, 2, 10, 11, 12, 3, 4, 5, 13, 14, 15}},
			{"stack", g.Stack(0, a, b), []int{2, 2, 3}, []float64{0, 1, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15}},
			{"take rows", g.Take(a, g.FromInt32s([]int32{1, 1, 0, 1}, 2, 2), 0), []int{2, 2, 3},
				[]float64{3, 4, 5, 3, 4, 5, 0, 1, 2, 3, 4, 5}},
			{"take along axis", g.TakeAlongAxis(a, g.FromUint32s([]uint32{2, 0}, 2, 1), 1), []int{2, 1}, []float64{2, 3}},
			{"full", g.Full(2.5, Float16, 2), []int{2}, []float64{2.5, 2.5}},
			{"zeros", g.Zeros(BFloat16, 1, 2), []int{1, 2}, []float64{0, 0}},
			{"scalar", g.Scalar(4, Int32), []int{}, []float64{4}},
			{"arange", g.Arange(3, 6, Int32), []int{3}, []float64{3, 4, 5}},
		}
		for _, c := range cases {
			require.NoError(t, g.Err(), c.name)
			require.Equal(t, c.shape, c.got.Shape(), c.name)
			requireValues(t, g, c.got, c.want, 0)
		}
	})
}

func TestSplit(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		parts := g.Split(counting(g, 2, 6), 3, -1)
		require.Len(t, parts, 3)
		for i, want := range [][]float64{{0, 1, 6, 7}, {2, 3, 8, 9}, {4, 5, 10, 11}} {
			require.Equal(t, []int{2, 2}, parts[i].Shape())
			requireValues(t, g, parts[i], want, 0)
		}
	})
}

func TestQueries(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		a := g.Zeros(Float16, 2, 3, 4)
		require.True(t, a.Valid())
		require.Equal(t, 24, a.Size())
		require.Equal(t, Float16, a.Dtype())
		require.Equal(t, []int{2, 4, 4, 0, 0}, []int{a.Dim(0), a.Dim(2), a.Dim(-1), a.Dim(3), a.Dim(-4)})

		var null Array
		require.False(t, null.Valid())
		require.Nil(t, null.Shape())
		require.Zero(t, null.Size())
		require.Zero(t, null.Dim(0))
	})
}

func TestDtypes(t *testing.T) {
	sizes := map[Dtype]int{
		Bool: 1, Uint8: 1, Int8: 1, Uint16: 2, Int16: 2, Float16: 2, BFloat16: 2,
		Uint32: 4, Int32: 4, Float32: 4, Uint64: 8, Int64: 8,
	}
	names := map[string]bool{}
	for d, size := range sizes {
		require.Equal(t, size, d.Size(), d)
		names[d.String()] = true
	}
	require.Len(t, names, len(sizes))
	require.Equal(t, "Dtype(11)", Dtype(11).String())
	require.Zero(t, Dtype(11).Size())

	with(t, func(_ *Context, g *Graph) {
		for d, size := range sizes {
			a := g.Full(1, d, 3)
			require.Equal(t, d, a.Dtype())
			data, err := g.Bytes(a)
			require.NoError(t, err, d)
			require.Len(t, data, 3*size)
			require.Equal(t, d, g.FromBytes(data, d, 3).Dtype())
			requireValues(t, g, g.FromBytes(data, d, 3), []float64{1, 1, 1}, 0)
		}
	})
}
