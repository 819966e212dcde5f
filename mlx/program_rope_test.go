package mlx

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// rotations are the angles of a rope as the kernels take them: cos and sin [positions, dim] and partner [dim].
func rotations(r RoPE, positions []int32, dim int) (cos, sin []float32, partner []int32) {
	half := r.Dims / 2
	for i := range dim {
		partner = append(partner, int32(i))
		switch {
		case i >= 2*half:
		case r.Traditional:
			partner[i] = int32(i ^ 1)
		default:
			partner[i] = int32((i + half) % (2 * half))
		}
	}
	for _, at := range positions {
		for i := range dim {
			if i >= 2*half {
				cos, sin = append(cos, 1), append(sin, 0)
				continue
			}
			pair, sign := i%half, 1.0
			if r.Traditional {
				pair = i / 2
			}
			if i < int(partner[i]) {
				sign = -1
			}
			s, c := math.Sincos(float64(at) * math.Pow(r.Base, -float64(pair)/float64(half)))
			cos, sin = append(cos, float32(c)), append(sin, float32(sign*s))
		}
	}
	return cos, sin, partner
}

// TestRopeWrite compares queries with MLX's norm and rope, and what is in the cache with keys and values that were rounded by
// MLX's operations.
func TestRopeWrite(t *testing.T) {
	positions := []int32{0, 1, 2, 3, 100, 101, 7, 8, 9, 1000, 5}
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		for _, dim := range []int{16, 20, 64, 96, 256} {
			for name, rope := range map[string]RoPE{
				"halves": {Dims: dim}, "pairs": {Dims: dim, Traditional: true}, "some": {Dims: dim / 2}, "none": {},
			} {
				for i, bits := range []int{16, 8, 4} {
					rope.Base = 10000
					w := written{crowd: crowd{heads: 4, kvHeads: 2, dim: dim, bits: bits, blockTokens: 4}, positions: positions, rope: rope}
					w.x = random(uint64(dim), len(positions)*w.row())
					g := c.NewGraph()
					if i != 1 {
						w.qNorm, w.kNorm = g.FromFloat32s(random(8, dim), dim), g.FromFloat32s(random(9, dim), dim)
						require.NoError(t, g.Eval(w.qNorm, w.kNorm))
					}
					w.compare(t, g, k, fmt.Sprintf("%s of %d, %d bits", name, dim, bits))
					require.NoError(t, g.Close())
				}
			}
		}
	})
}

// written is what a test writes to a cache: x is [positions, heads+2*kvHeads, dim].
type written struct {
	crowd
	x            []float32
	positions    []int32
	rope         RoPE
	qNorm, kNorm Array
}

func (w *written) compare(t *testing.T, g *Graph, k *Kernels, what string) {
	t.Helper()
	rows := len(w.positions)
	blocks := (rows + w.blockTokens - 1) / w.blockTokens
	p := NewProgram()
	q := p.Output(rows * w.heads * w.dim)
	out := p.Output(rows * w.heads * w.dim)
	qkv := p.Register(len(w.x))
	load(g, p, qkv, w.x, rows)
	cos, sin, partner := rotations(w.rope, w.positions, w.dim)
	write := RopeWrite{
		Rows: rows, Heads: w.heads, QKV: qkv, Q: q, QNorm: w.qNorm, KNorm: w.kNorm, Eps: 1e-5,
		Cos: NoData, Sin: NoData, Partner: p.Ints(partner), Cache: w.cache(t, g, blocks),
	}
	if w.rope.Dims > 0 {
		write.Cos, write.Sin = p.Floats(cos), p.Floats(sin)
	}
	var block, slot, table []int32
	for i := range rows { // the blocks from the last to the first
		block, slot = append(block, int32(blocks-1-i/w.blockTokens)), append(slot, int32(i%w.blockTokens))
	}
	for i := range blocks {
		table = append(table, int32(blocks-1-i))
	}
	write.Block, write.Slot = p.Ints(block), p.Ints(slot)
	p.RopeWrite(write)
	// Whoever sees only itself is given its own value.
	p.Attend(Attend{
		Spans: p.Ints([]int32{0, int32(rows), 0, 0}), Tables: p.Ints(table), Count: 1, Heads: w.heads, Scale: 1, Window: 1,
		Q: q, Out: out, Cache: write.Cache,
	})
	results := g.Run(k, p)

	all := g.FromFloat32s(w.x, rows, w.heads+2*w.kvHeads, w.dim)
	some := func(from, n int, norm Array, turn bool) Array { // [rows, n, dim]
		y := g.Slice(all, []int{0, from, 0}, []int{rows, from + n, w.dim})
		if norm.Valid() {
			y = g.RMSNorm(y, norm, 1e-5)
		}
		if turn && w.rope.Dims > 0 {
			y = g.Squeeze(g.RoPE(g.ExpandDims(y, 2), g.FromInt32s(w.positions, rows), w.rope), 2)
		}
		return y
	}
	rounded := func(x Array) Array {
		return g.Reshape(stored(g, g.Reshape(x, rows*w.kvHeads, w.dim), w.bits), rows, w.kvHeads, w.dim)
	}
	requireClose := func(got, want Array, tolerance float64, side string) {
		t.Helper()
		a, err := g.Float32s(got)
		require.NoError(t, err)
		b, err := g.Float32s(want)
		require.NoError(t, err)
		require.Less(t, rms(a, b), tolerance, "%s: %s", what, side)
	}
	requireClose(results[0], some(0, w.heads, w.qNorm, true), 1e-4, "queries") // MLX's angles are float32
	values := rounded(some(w.heads+w.kvHeads, w.kvHeads, Array{}, false))
	each := g.Reshape(g.BroadcastTo(g.ExpandDims(values, 2), rows, w.kvHeads, w.heads/w.kvHeads, w.dim), rows*w.heads*w.dim)
	requireClose(results[1], each, 1e-5, "values")
	require.NoError(t, g.Eval(write.Cache.Keys))
	keys := g.FromFloat32s(w.keys(t, g, write.Cache, block, slot), rows, w.kvHeads, w.dim)
	requireClose(keys, rounded(some(w.heads, w.kvHeads, w.kNorm, true)), map[int]float64{16: 2e-4, 8: 2e-3, 4: 1e-2}[w.bits], "keys")
}

// keys reads keys out of their blocks, [rows, kvHeads, dim]; see cache.h.
func (w *written) keys(t *testing.T, g *Graph, c Cache, block, slot []int32) []float32 {
	t.Helper()
	memory, err := g.Bytes(c.Keys)
	require.NoError(t, err)
	halves, err := g.Float32s(g.FromBytes(memory, Float16, len(memory)/2)) // where halves lie
	require.NoError(t, err)
	lanes, groups := (w.blockTokens+15)/16*16, (w.dim+63)/64
	size := len(memory) / c.Keys.Dim(0) / w.kvHeads
	var all []float32
	for row := range block {
		for head := range w.kvHeads {
			from := (int(block[row])*w.kvHeads + head) * size
			at := int(slot[row])
			scales := halves[min(len(halves), (from+lanes*w.dim*w.bits/8)/2):]
			for i := range w.dim {
				var code byte
				switch w.bits {
				case 16:
					all = append(all, halves[from/2+i*lanes+at])
					continue
				case 8:
					code = memory[from+i*lanes+at]
				case 4:
					code = memory[from+i/2*lanes+at] >> (i % 2 * 4) & 15
				}
				all = append(all, scales[i/64*lanes+at]*float32(code)+scales[(groups+i/64)*lanes+at])
			}
		}
	}
	return all
}
