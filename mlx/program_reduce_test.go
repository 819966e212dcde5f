package mlx

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// best is what a reduction returns for a row.
type best struct {
	ids    []int32
	values []float32
	sum    float32
}

// reduced runs a reduction over rows of logits.
func reduced(t *testing.T, g *Graph, k *Kernels, logits []float32, wants []int32, most int) []best {
	t.Helper()
	rows := len(wants)
	vocab := len(logits) / rows
	p := NewProgram()
	values, ids, sums := p.Output(rows*most), p.Output(rows*most), p.Output(rows)
	all := p.Register(len(logits))
	load(g, p, all, logits, rows)
	p.Reduce(all, vocab, wants, most, values, ids, sums)
	out := g.Run(k, p)
	v, err := g.Float32s(out[0])
	require.NoError(t, err)
	i, err := g.Float32s(out[1])
	require.NoError(t, err)
	s, err := g.Float32s(out[2])
	require.NoError(t, err)
	var each []best
	for row, n := range wants {
		b := best{sum: s[row]}
		for at := range min(max(0, int(n)), vocab) {
			b.ids = append(b.ids, int32(math.Float32bits(i[row*most+at])))
			b.values = append(b.values, v[row*most+at])
		}
		each = append(each, b)
	}
	return each
}

// expected sorts a row: falling, equal ones by rising index.
func expected(logits []float32, n int32) best {
	ids := make([]int32, len(logits))
	top := math.Inf(-1)
	for i, l := range logits {
		ids[i] = int32(i)
		top = max(top, float64(l))
	}
	total := 0.0
	for _, l := range logits {
		total += math.Exp(float64(l) - top)
	}
	slices.SortStableFunc(ids, func(a, b int32) int { return cmp.Compare(logits[b], logits[a]) })
	b := best{sum: float32(top + math.Log(total))}
	for _, id := range ids[:min(max(0, int(n)), len(ids))] {
		b.ids, b.values = append(b.ids, id), append(b.values, logits[id])
	}
	return b
}

// TestReduce compares candidates with a sorted row and with MLX's operations: vocabularies of one token and of the largest models,
// with equal logits and with tokens that are ruled out.
func TestReduce(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		rng := rand.New(rand.NewPCG(6, 1))
		for i, vocab := range []int{1, 2, 15, 16, 17, 255, 256, 257, 1000, 4095, 4097, 32000, 49152, 151936, 262144} {
			most := []int{1, 40, 1024}[i%3]
			wants := []int32{int32(most), int32(rng.IntN(most + 1)), 0, -1, 1}
			if vocab > 50000 {
				wants = wants[:2] // the reference takes its time
			}
			logits := random(uint64(vocab), len(wants)*vocab)
			for row := range wants {
				all := logits[row*vocab : (row+1)*vocab]
				for at := range all {
					if all[at] *= 8; row == 1 {
						all[at] = float32(math.Round(float64(all[at])))
					}
				}
				for range vocab / 3 * (row % 2) {
					all[rng.IntN(vocab-1)] = float32(math.Inf(-1))
				}
			}
			g := c.NewGraph()
			got := reduced(t, g, k, logits, wants, most)
			sums, err := g.Float32s(g.LogSumExp(g.FromFloat32s(logits, len(wants), vocab), 1, false))
			require.NoError(t, err)
			for row, b := range got {
				want := expected(logits[row*vocab:(row+1)*vocab], wants[row])
				require.Equal(t, want.ids, b.ids, "vocabulary of %d, row %d", vocab, row)
				require.Equal(t, want.values, b.values)
				require.InEpsilon(t, 100+want.sum, 100+b.sum, 1e-6)
				require.InDelta(t, sums[row], b.sum, 1e-4)
			}
			require.NoError(t, g.Close())
		}
	})
}

// All logits are the same, as after a vocabulary that was masked.
func TestReduceEqualLogits(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		g := c.NewGraph()
		defer func() { require.NoError(t, g.Close()) }()
		const vocab, most = 50000, 1024
		logits := make([]float32, vocab)
		b := reduced(t, g, k, logits, []int32{most}, most)[0]
		require.Equal(t, expected(logits, most).ids, b.ids)
		for i := range logits {
			logits[i] = float32(math.Inf(-1))
		}
		logits[777], logits[40000] = 1, 1
		b = reduced(t, g, k, logits, []int32{4}, most)[0]
		require.Equal(t, []int32{777, 40000, 0, 1}, b.ids)
	})
}

// A logit that is not a number, or no logit at all, shows in the sum of its own row.
func TestReduceBrokenLogits(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		const vocab, most = 5000, 8
		for _, bad := range []float64{math.NaN(), math.Inf(1)} {
			for _, at := range []int{0, 15, 16, 4095, 4096, vocab - 1} {
				g := c.NewGraph()
				logits := random(1, 3*vocab)
				logits[vocab+at] = float32(bad)
				got := reduced(t, g, k, logits, []int32{most, most, most}, most)
				for row, b := range got {
					broken := math.IsNaN(float64(b.sum)) || math.IsInf(float64(b.sum), 0)
					require.Equal(t, row == 1, broken, "%g at %d, row %d", bad, at, row)
				}
				require.NoError(t, g.Close())
			}
		}
		g := c.NewGraph()
		defer func() { require.NoError(t, g.Close()) }()
		none := slices.Repeat([]float32{float32(math.Inf(-1))}, vocab)
		sum := float64(reduced(t, g, k, none, []int32{most}, most)[0].sum)
		require.True(t, math.IsNaN(sum) || math.IsInf(sum, 0), "%g", sum)
	})
}

// TestReduceRowsAreIndependent wants the same bits for a row alone and among others, with one thread and with two.
func TestReduceRowsAreIndependent(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		one := newKernels(t, KernelOptions{Threads: 1, ISA: k.ISA()})
		g := c.NewGraph()
		defer func() { require.NoError(t, g.Close()) }()
		const vocab, rows, most = 20001, 9, 50
		logits := random(4, rows*vocab)
		wants := slices.Repeat([]int32{most}, rows)
		want := reduced(t, g, one, logits, wants, most)
		require.Equal(t, want, reduced(t, g, k, logits, wants, most))
		for row := range rows {
			alone := reduced(t, g, k, logits[row*vocab:(row+1)*vocab], wants[:1], most)
			require.Equal(t, want[row], alone[0])
		}
	})
}
