package mlx

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Active memory after a thousand steps of a small decoder is what it was after
// ten: graphs free everything, slots are reused, and failed steps leave nothing.
func TestNoLeakInAThousandSteps(t *testing.T) {
	const heads, dim, tokens, vocabulary, hidden = 2, 8, 64, 50, 16
	with(t, func(c *Context, weights *Graph) {
		embedding := weights.FromFloat32s(random(1, vocabulary*hidden), vocabulary, hidden)
		project := weights.FromFloat32s(random(2, hidden*hidden), hidden, hidden)
		norm := weights.Full(1, Float32, hidden)
		keys, values := pool(t, weights, 1, heads, tokens, dim), pool(t, weights, 1, heads, tokens, dim)
		require.NoError(t, weights.Eval(embedding, project, norm))

		step := func(i int) {
			g := c.NewGraph()
			at := i % tokens
			x := g.Take(embedding, g.FromInt32s([]int32{int32(i % vocabulary)}, 1), 0)
			q := g.Reshape(g.MatMul(g.RMSNorm(x, norm, 1e-5), project), 1, heads, 1, dim)
			q = g.RoPE(q, g.FromInt32s([]int32{int32(at)}, 1), RoPE{Dims: dim, Base: 10000})
			for _, s := range []*Slot{keys, values} {
				g.SliceUpdate(s, q, []int{0, 0, at, 0}, []int{1, heads, at + 1, dim})
			}
			stop := []int{1, heads, at + 1, dim}
			origin := make([]int, 4)
			y := g.Attention(q, g.Slice(keys.Array(), origin, stop), g.Slice(values.Array(), origin, stop), Attention{Scale: 0.3})
			logits := g.MatMul(g.Add(x, g.Reshape(y, 1, hidden)), g.Transpose(embedding))
			_, top := g.TopK(logits, 5)
			if i%10 == 9 {
				g.MatMul(x, x) // every tenth step fails
				require.Error(t, g.Eval(top))
			} else {
				_, err := g.Int32s(top)
				require.NoError(t, err)
			}
			require.NoError(t, g.Close())
		}
		var after10 int
		for i := range 1000 {
			step(i)
			if i == 9 {
				after10 = c.Memory().Active
			}
		}
		require.Positive(t, after10)
		require.Equal(t, after10, c.Memory().Active)
	})
}

func TestClosedGraphsGiveTheirMemoryBack(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		before := c.Memory().Active
		a := g.Full(1, Float32, 1<<20)
		require.NoError(t, g.Eval(a))
		require.GreaterOrEqual(t, c.Memory().Active-before, 4<<20)

		keeper := c.NewGraph()
		kept := keeper.Keep(a)
		require.NoError(t, g.Close())
		require.GreaterOrEqual(t, c.Memory().Active-before, 4<<20, "kept")
		requireValues(t, keeper, keeper.Max(kept, 0, false), []float64{1}, 0)
		require.NoError(t, keeper.Close())
		require.Equal(t, before, c.Memory().Active)
	})
}

func TestMemoryCounters(t *testing.T) {
	with(t, func(c *Context, g *Graph) {
		require.NoError(t, c.SetCacheLimit(64<<20))
		c.ResetPeak()
		big := c.NewGraph()
		require.NoError(t, big.Eval(big.Full(1, Float32, 1<<20)))
		require.NoError(t, big.Close())
		m := c.Memory()
		require.GreaterOrEqual(t, m.Peak, 4<<20)
		require.GreaterOrEqual(t, m.Cache, 4<<20)
		require.NoError(t, c.ClearCache())
		require.Zero(t, c.Memory().Cache)
		require.Equal(t, "active 1.0 MiB, peak 2.5 MiB, cache 0.0 MiB",
			Memory{Active: 1 << 20, Peak: 5 << 19}.String())
	})
}
