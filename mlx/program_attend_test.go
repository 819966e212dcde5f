package mlx

import (
	"bytes"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// crowd is what some agents wrote and ask, all of the same model.
type crowd struct {
	heads, kvHeads, dim int
	bits, blockTokens   int
	window              int
	softcap             float64
	sinks               []float32
	lengths             []int       // positions of each agent
	qkv                 [][]float32 // of each agent: [positions, heads+2*kvHeads, dim]
	seed                uint64      // deals the blocks
}

// part is some queries of one agent.
type part struct{ agent, start, length int }

func newCrowd(seed uint64, c crowd) *crowd {
	c.seed = seed
	for i, n := range c.lengths {
		c.qkv = append(c.qkv, random(seed*100+uint64(i), n*c.row()))
	}
	return &c
}

func (c *crowd) row() int { return (c.heads + 2*c.kvHeads) * c.dim }

func (c *crowd) scale() float64 { return 1 / math.Sqrt(float64(c.dim)) }

// cache is memory for some blocks. It begins as bytes that are NaNs as float16, as do the scales.
func (c *crowd) cache(t *testing.T, g *Graph, blocks int) Cache {
	t.Helper()
	cache := Cache{Bits: c.bits, KVHeads: c.kvHeads, HeadDim: c.dim, BlockTokens: c.blockTokens}
	keys, values := cacheBytes(cache)
	stale := func(n int) Array {
		return g.FromBytes(bytes.Repeat([]byte{0xff}, blocks*c.kvHeads*n), Uint8, blocks, c.kvHeads, n)
	}
	cache.Keys, cache.Values = stale(keys), stale(values)
	require.NoError(t, g.Eval(cache.Keys, cache.Values))
	require.NoError(t, cache.Check())
	return cache
}

// run writes all that the agents have, in blocks dealt at random, and returns the attention of each part, [length, heads, dim].
func (c *crowd) run(t *testing.T, g *Graph, k *Kernels, parts []part) [][]float32 {
	t.Helper()
	var tables [][]int32
	var all []float32
	blocks := 0
	for i, n := range c.lengths {
		tables = append(tables, make([]int32, (n+c.blockTokens-1)/c.blockTokens))
		blocks += len(tables[i])
		all = append(all, c.qkv[i]...)
	}
	ids := rand.New(rand.NewPCG(c.seed, 7)).Perm(blocks + 2)
	var block, slot, table, first []int32 // first: of each agent's table
	row, firstRow := 0, []int{}
	for i, n := range c.lengths {
		first, firstRow = append(first, int32(len(table))), append(firstRow, row)
		for j := range tables[i] {
			tables[i][j], ids = int32(ids[0]), ids[1:]
		}
		table = append(table, tables[i]...)
		for at := range n {
			block, slot = append(block, tables[i][at/c.blockTokens]), append(slot, int32(at%c.blockTokens))
		}
		row += n
	}
	var spans, asked []int32
	for _, p := range parts {
		spans = append(spans, int32(len(asked)), int32(p.length), int32(p.start), first[p.agent])
		for i := range p.length {
			asked = append(asked, int32(firstRow[p.agent]+p.start+i))
		}
	}

	p := NewProgram()
	width := c.heads * c.dim
	out := p.Output(len(asked) * width)
	qkv, q, queries := p.Register(len(all)), p.Register(row*width), p.Register(len(asked)*width)
	cache := c.cache(t, g, blocks+2)
	load(g, p, qkv, all, row)
	p.RopeWrite(RopeWrite{
		Rows: row, Heads: c.heads, QKV: qkv, Q: q, Cos: NoData, Sin: NoData, Partner: p.Ints(make([]int32, c.dim)),
		Block: p.Ints(block), Slot: p.Ints(slot), Cache: cache,
	})
	p.Take(queries, q, asked, width)
	a := Attend{
		Spans: p.Ints(spans), Tables: p.Ints(table), Count: len(parts), Heads: c.heads, Scale: c.scale(), Window: c.window,
		Softcap: c.softcap, Q: queries, Out: out, Cache: cache,
	}
	if c.sinks != nil {
		a.Sinks = g.FromFloat32s(c.sinks, c.heads)
		require.NoError(t, g.Eval(a.Sinks))
	}
	p.Attend(a)
	got, err := g.Float32s(g.Run(k, p)[0])
	require.NoError(t, err)
	var each [][]float32
	for _, part := range parts {
		each, got = append(each, got[:part.length*width]), got[part.length*width:]
	}
	return each
}

// stored is x [n, dim] as a cache of so many bits gives it back, by MLX's operations.
func stored(g *Graph, x Array, bits int) Array {
	if bits == 16 {
		return g.AsType(g.AsType(x, Float16), Float32)
	}
	half := func(a Array) Array { return g.AsType(g.AsType(a, Float16), Float32) }
	levels := float64(int(1)<<bits - 1)
	var groups []Array
	for from, n := 0, x.Dim(1); from < n; from += 64 {
		part := g.Slice(x, []int{0, from}, []int{x.Dim(0), min(from+64, n)})
		low := g.Min(part, 1, true)
		scale, bias := half(g.MulScalar(g.Sub(g.Max(part, 1, true), low), 1/levels)), half(low)
		code := g.Clip(g.AddScalar(g.Div(g.Sub(part, bias), scale), 0.5), 0, levels+0.5)
		groups = append(groups, g.Add(g.Mul(g.AsType(g.AsType(code, Int32), Float32), scale), bias))
	}
	return g.Concatenate(1, groups...)
}

// reference is the attention of one part by MLX's operations, [length, heads, dim].
func (c *crowd) reference(t *testing.T, g *Graph, p part) []float32 {
	t.Helper()
	n, shared := p.start+p.length, c.heads/c.kvHeads
	qkv := g.FromFloat32s(c.qkv[p.agent][:n*c.row()], n, c.heads+2*c.kvHeads, c.dim)
	some := func(from, heads int) Array { // [heads, n, dim]
		return g.Transpose(g.Slice(qkv, []int{0, from, 0}, []int{n, from + heads, c.dim}), 1, 0, 2)
	}
	cached := func(from int) Array { // [kvHeads, 1, n, dim]
		x := g.Reshape(some(from, c.kvHeads), c.kvHeads*n, c.dim)
		return g.Reshape(stored(g, x, c.bits), c.kvHeads, 1, n, c.dim)
	}
	q := g.Slice(some(0, c.heads), []int{0, p.start, 0}, []int{c.heads, n, c.dim})
	q = g.Reshape(q, c.kvHeads, shared, p.length, c.dim)
	scores := g.MulScalar(g.MatMul(q, g.Transpose(cached(c.heads), 0, 1, 3, 2)), c.scale())
	if c.softcap > 0 {
		scores = g.MulScalar(g.Tanh(g.MulScalar(scores, 1/c.softcap)), c.softcap)
	}
	var seen []bool
	for i := range p.length {
		for j := range n {
			at := p.start + i
			seen = append(seen, j <= at && (c.window == 0 || j > at-c.window))
		}
	}
	scores = g.Where(g.FromBools(seen, p.length, n), scores, g.Scalar(math.Inf(-1), Float32))
	if c.sinks != nil {
		sinks := g.BroadcastTo(g.FromFloat32s(c.sinks, c.kvHeads, shared, 1, 1), c.kvHeads, shared, p.length, 1)
		scores = g.Concatenate(3, scores, sinks)
	}
	weights := g.Slice(g.Softmax(scores, 3), []int{0, 0, 0, 0}, []int{c.kvHeads, shared, p.length, n})
	out := g.Reshape(g.MatMul(weights, cached(c.heads+c.kvHeads)), c.heads, p.length, c.dim)
	got, err := g.Float32s(g.Transpose(out, 1, 0, 2))
	require.NoError(t, err)
	return got
}

// TestAttend compares attention over blocks of every form with MLX's operations: random shapes, windows, softcaps and sinks, tokens
// and chunks of prompts, contexts in one partition and in several.
func TestAttend(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		rng := rand.New(rand.NewPCG(4, 1))
		pick := func(from ...int) int { return from[rng.IntN(len(from))] }
		for seed := range uint64(24) {
			kvHeads := 1 + rng.IntN(3)
			shape := crowd{
				heads: kvHeads * pick(1, 2, 3, 4, 8), kvHeads: kvHeads, dim: pick(4, 16, 20, 64, 72, 128, 256),
				bits: []int{16, 8, 4}[seed%3], blockTokens: pick(1, 7, 16, 32, 64), window: pick(0, 0, 1, 19, 256),
				softcap: float64(pick(0, 0, 1, 20)),
			}
			if rng.IntN(2) == 0 {
				shape.sinks = random(seed, shape.heads)
			}
			var parts []part
			for agent := range 1 + rng.IntN(3) {
				n := pick(1, 1, 5, 30)
				p := part{agent, pick(0, 3, 40, 255, 600), n}
				parts = append(parts, p)
				shape.lengths = append(shape.lengths, p.start+n)
			}
			crowd := newCrowd(seed, shape)
			g := c.NewGraph()
			for i, got := range crowd.run(t, g, k, parts) {
				tolerance := map[int]float64{16: 1e-5, 8: 2e-4, 4: 2e-3}[crowd.bits] // a code may be rounded to another side
				require.Less(t, rms(got, crowd.reference(t, g, parts[i])), tolerance, "seed %d, part %d: %+v", seed, i, shape)
			}
			require.NoError(t, g.Close())
		}
	})
}

// TestAttendRowsAreIndependent wants the same bits for a query alone, beside other agents, in any chunk, wherever its blocks
// are, and with one thread or two.
func TestAttendRowsAreIndependent(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		one := newKernels(t, KernelOptions{Threads: 1, ISA: k.ISA()})
		for _, bits := range []int{16, 8, 4} {
			for _, window := range []int{0, 300} {
				requireIndependent(t, c, one, k, newCrowd(1, crowd{
					heads: 6, kvHeads: 2, dim: 48, bits: bits, blockTokens: 16, window: window, lengths: []int{700, 9, 260},
				}))
			}
		}
	})
}

func requireIndependent(t *testing.T, c *Context, one, two *Kernels, of *crowd) {
	t.Helper()
	g := c.NewGraph()
	defer func() { require.NoError(t, g.Close()) }()
	const last = 40                 // positions of each agent that are asked for
	wants := map[[2]int][]float32{} // by agent and position
	for agent, n := range of.lengths {
		for at := max(0, n-last); at < n; at += 8 {
			wants[[2]int{agent, at}] = of.run(t, g, one, []part{{agent, at, 1}})[0]
		}
	}
	rng := rand.New(rand.NewPCG(3, uint64(of.bits)))
	for round := range 6 {
		var parts []part
		for agent, n := range of.lengths {
			for at := max(0, n-last); at < n; {
				length := min(n-at, 1+rng.IntN(24))
				parts = append(parts, part{agent, at, length})
				at += length
			}
		}
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		of.seed = uint64(round)
		for i, got := range of.run(t, g, []*Kernels{one, two}[round%2], parts) {
			for j, row := range slices.Collect(slices.Chunk(got, of.heads*of.dim)) {
				key := [2]int{parts[i].agent, parts[i].start + j}
				if wants[key] == nil {
					wants[key] = row
				}
				require.Equal(t, wants[key], row, "%d bits, window %d, round %d, agent and position %v", of.bits, of.window, round, key)
			}
		}
	}
}

// What is not finite reaches those who see it and nobody else.
func TestAttendToBrokenNumbers(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		for _, bits := range []int{16, 8, 4} {
			for place, at := range map[string]int{"query": 5, "key": 2*32 + 5, "value": 3*32 + 5} {
				for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
					crowd := newCrowd(2, crowd{heads: 2, kvHeads: 1, dim: 32, bits: bits, blockTokens: 16, window: 20, lengths: []int{60, 3}})
					crowd.qkv[0][30*crowd.row()+at] = float32(bad)
					g := c.NewGraph()
					got := crowd.run(t, g, k, []part{{0, 0, 60}, {1, 0, 3}})
					broken := func(row []float32) bool { x := sum(wide(row)); return math.IsNaN(x) || math.IsInf(x, 0) }
					require.False(t, broken(got[1]), "the other agent")
					for i, row := range slices.Collect(slices.Chunk(got[0], 2*32)) {
						sees := i >= 30 && i < 50
						if place == "query" {
							sees = i == 30
						}
						require.Equal(t, sees, broken(row), "%d bits, %g in a %s, position %d", bits, bad, place, i)
					}
					require.NoError(t, g.Close())
				}
			}
		}
	})
}
