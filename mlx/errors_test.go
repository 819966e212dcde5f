package mlx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Every mistake gives an error that names the operation, and a new graph on the
// same thread works afterwards.
func TestMistakesBecomeErrors(t *testing.T) {
	cases := []struct {
		name string
		make func(g *Graph, a Array)
		want string
	}{
		{"matmul shapes", func(g *Graph, a Array) { g.MatMul(a, a) }, "matmul"},
		{"matmul of scalars", func(g *Graph, a Array) { g.MatMul(g.Scalar(1, Float32), a) }, "matmul"},
		{"matmul of integers", func(g *Graph, a Array) { g.MatMul(g.Zeros(Int32, 2, 2), g.Zeros(Int32, 2, 2)) }, "matmul"},
		{"add shapes", func(g *Graph, a Array) { g.Add(a, g.Zeros(Float32, 4)) }, "broadcast"},
		{"reshape size", func(g *Graph, a Array) { g.Reshape(a, 4) }, "reshape"},
		{"reshape two unknown", func(g *Graph, a Array) { g.Reshape(a, -1, -1) }, "reshape"},
		{"reshape beyond int32", func(g *Graph, a Array) { g.Reshape(a, 1<<40) }, "32-bit"},
		{"transpose axes", func(g *Graph, a Array) { g.Transpose(a, 0, 0) }, "transpose"},
		{"transpose axis", func(g *Graph, a Array) { g.Transpose(a, 0, 7) }, "transpose"},
		{"slice axes", func(g *Graph, a Array) { g.Slice(a, []int{0}, []int{1}) }, "slice: start and stop"},
		{"split", func(g *Graph, a Array) { g.Split(a, 2, 1) }, "split"},
		{"split in none", func(g *Graph, a Array) { g.Split(a, 0, 1) }, "cannot split into 0 parts"},
		{"squeeze", func(g *Graph, a Array) { g.Squeeze(a, 0) }, "squeeze"},
		{"expand", func(g *Graph, a Array) { g.ExpandDims(a, 9) }, "expand_dims"},
		{"broadcast", func(g *Graph, a Array) { g.BroadcastTo(a, 2, 4) }, "broadcast"},
		{"concatenate", func(g *Graph, a Array) { g.Concatenate(0, a, g.Zeros(Float32, 2, 4)) }, "concatenate"},
		{"concatenate nothing", func(g *Graph, a Array) { g.Concatenate(0) }, "concatenate"},
		{"stack", func(g *Graph, a Array) { g.Stack(0, a, g.Zeros(Float32, 4)) }, "stack"},
		{"stack nothing", func(g *Graph, a Array) { g.Stack(0) }, "stack"},
		{"take axis", func(g *Graph, a Array) { g.Take(a, g.Zeros(Int32, 1), 5) }, "take"},
		{"take float indices", func(g *Graph, a Array) { g.Take(a, a, 0) }, "ndices"},
		{"sum axis", func(g *Graph, a Array) { g.Sum(a, 2, false) }, "xis"},
		{"softmax axis", func(g *Graph, a Array) { g.Softmax(a, 2) }, "xis"},
		{"argpartition", func(g *Graph, a Array) { g.ArgPartition(a, 3, 1) }, "partition"},
		{"type", func(g *Graph, a Array) { g.AsType(a, Dtype(99)) }, "unknown element type 99"},
		{"full negative", func(g *Graph, a Array) { g.Full(1, Float32, -3) }, "full"},
		{"more than all memory", func(g *Graph, a Array) { g.Zeros(Float32, 1<<30, 1<<14) }, "out of memory"},
		{"rms norm weight", func(g *Graph, a Array) { g.RMSNorm(a, a, 1e-5) }, "rms_norm"},
		{"rope dims", func(g *Graph, a Array) { g.RoPE(a, g.Zeros(Int32, 1), RoPE{Dims: 2, Base: 1}) }, "rope"},
		{"rope offset", func(g *Graph, a Array) {
			g.RoPE(g.Zeros(Float32, 2, 1, 1, 4), g.Zeros(Int32, 3), RoPE{Dims: 4, Base: 1})
		}, "rope"},
		{"attention", func(g *Graph, a Array) { g.Attention(a, a, a, Attention{Scale: 1}) }, "scaled_dot_product_attention"},
		{"quantize", func(g *Graph, a Array) { g.Quantize(a, Quantization{64, 4}) }, "quantize"},
		{"quantized matmul", func(g *Graph, a Array) {
			g.QuantizedMatMul(a, g.Zeros(Uint32, 4, 8), g.Zeros(Float32, 4, 1), g.Zeros(Float32, 4, 1), true, Quantization{64, 4})
		}, "quantized_matmul"},
		{"quantized bits", func(g *Graph, a Array) {
			g.Dequantize(g.Zeros(Uint32, 4, 8), g.Zeros(Float32, 4, 1), g.Zeros(Float32, 4, 1), Quantization{64, 7})
		}, "dequantize"},
		{"null input", func(g *Graph, a Array) { g.Add(a, Array{}) }, "null array given to add"},
		{"null slot", func(g *Graph, a Array) { g.Set(&Slot{}, a) }, "null array given to assign"},
		{"null eval", func(g *Graph, a Array) { _ = g.Eval(a, Array{}) }, "null array given to eval"},
		{"bytes length", func(g *Graph, a Array) { g.FromFloat32s([]float32{1}, 2) }, "takes 8 bytes, got 4"},
		{"bytes shape", func(g *Graph, a Array) { g.FromBytes(nil, Float32, -1) }, "negative or too large"},
		{"bytes overflow", func(g *Graph, a Array) { g.FromBytes(nil, Float32, 1<<31-1, 1<<31-1, 1<<31-1) }, "too large"},
		{"bytes type", func(g *Graph, a Array) { g.FromBytes(nil, Dtype(77), 0) }, "unknown type"},
		{"empty shape", func(g *Graph, a Array) { g.Empty(Float32, 2, -1) }, "negative or too large"},
		{"short destination", func(g *Graph, a Array) { _ = g.ReadFloat32s(make([]float32, 5), a) }, "takes 24 bytes, the destination has 20"},
	}
	require.NoError(t, start(t).Do(func(c *Context) error {
		for _, tc := range cases {
			g := c.NewGraph()
			a := g.FromFloat32s(random(1, 6), 2, 3)
			require.NoError(t, g.Err())
			tc.make(g, a)
			require.ErrorContains(t, g.Err(), tc.want, tc.name)
			require.Regexp(t, `^mlx: `, g.Err().Error(), tc.name)
			require.NoError(t, g.Close())

			again := c.NewGraph()
			requireValues(t, again, again.Add(again.Scalar(1, Float32), again.Scalar(1, Float32)), []float64{2}, 0)
			require.NoError(t, again.Close())
		}
		return nil
	}))
}

func TestTheFirstErrorSticks(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		a := g.Zeros(Float32, 2, 3)
		bad := g.MatMul(a, a)
		first := g.Err()
		require.Error(t, first)
		require.False(t, bad.Valid())

		// The rest of a forward pass runs through without effect.
		b := g.Add(bad, g.Reshape(bad, 9, 9))
		require.False(t, b.Valid())
		for _, part := range g.Split(b, 2, 0) {
			require.False(t, part.Valid())
		}
		g.NewSlot(b)
		_, _, biases := g.Quantize(b, Quantization{64, 4})
		require.False(t, biases.Valid())
		require.Equal(t, first, g.Err())
		require.Equal(t, first, g.Eval(a))
		values, err := g.Float32s(a)
		require.Equal(t, first, err)
		require.Nil(t, values)

		other := c.NewGraph()
		require.NoError(t, other.Eval(a), "arrays made before the error are fine in another graph")
		require.NoError(t, other.Close())
	})
}

// An error of the computation itself, not of its construction: an unevaluated
// array of another thread.
func TestEvalFailsAndTheThreadLives(t *testing.T) {
	other := start(t)
	var foreign Array
	require.NoError(t, other.Do(func(c *Context) error {
		foreign = c.NewGraph().Full(1, Float32, 3)
		return nil
	}))
	with(t, func(c *Context, g *Graph) {
		require.ErrorContains(t, g.Eval(g.Neg(foreign)), "no Stream")
		again := c.NewGraph()
		requireValues(t, again, again.Scalar(3, Float32), []float64{3}, 0)
		require.NoError(t, again.Close())
	})
	require.NoError(t, other.Do(func(*Context) error { return foreign.owner.Close() }))
}

func TestUseAfterClose(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		old := c.NewGraph()
		a := old.Zeros(Float32, 2)
		slot := old.NewSlot(old.Zeros(Float32, 2))
		require.NoError(t, old.Close())
		require.NoError(t, old.Close())
		require.False(t, a.Valid())
		require.Nil(t, a.Shape())
		require.False(t, slot.Intact())
		old.Zeros(Float32, 1)
		require.ErrorIs(t, old.Err(), ErrClosed)
		require.ErrorIs(t, old.Eval(), ErrClosed)

		g.Neg(a)
		require.ErrorIs(t, g.Err(), ErrClosed)
	})
}
