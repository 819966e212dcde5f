package engine

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// conversation is one agent of the metamorphic test.
type conversation struct {
	table  []runtime.BlockID
	prompt []int32
	tokens []int32     // greedy, so far
	logits [][]float32 // that chose them
	done   int         // positions in the cache
}

// TestRowsAreIndependentBitForBit runs the same conversations alone and
// together, with prompts cut at random and rows that pause at random, and wants
// the very same logits, not only the same tokens: with MLX's operations, and with
// the kernels for each instruction set, precision and form of the cache, alone on one
// thread and together on two.
func TestRowsAreIndependentBitForBit(t *testing.T) {
	for _, name := range varied {
		t.Run(name, func(t *testing.T) {
			t.Run("operations", func(t *testing.T) { requireIndependent(t, name, Options{Reference: true}, 4) })
			forEachISA(t, func(t *testing.T, o Options) {
				for _, activations := range []Activations{Int8, Float32} {
					for _, bits := range []int{16, 8, 4} {
						o.Activations, o.KVBits = activations, bits
						requireIndependent(t, name, o, 3)
					}
				}
			})
		})
	}
}

// requireIndependent compares prompts that run alone with several jumbled runs.
func requireIndependent(t *testing.T, name string, o Options, seeds uint64) {
	t.Helper()
	o.Blocks, o.BlockTokens = 48, 4
	o.Threads = 1
	one := newEngine(t, "testdata/parity/"+name, o)
	o.Threads = 2
	two := newEngine(t, "testdata/parity/"+name, o)
	var prompts [][]int32
	for i, length := range []int{1, 2, 13, 23, 4, 17} {
		prompt := make([]int32, length)
		for j := range prompt {
			prompt[j] = int32((i*31 + j*17) % one.info.Vocab)
		}
		prompts = append(prompts, prompt)
	}
	compareRuns(t, one, two, prompts, 10, seeds)
	require.NoError(t, one.Close())
	require.NoError(t, two.Close())
}

// compareRuns compares the prompts, each run alone on one engine, with several jumbled runs
// on another, and returns them as they ran alone.
func compareRuns(t *testing.T, one, two *Engine, prompts [][]int32, n int, seeds uint64) []*conversation {
	t.Helper()
	alone := converse(t, one, rand.New(rand.NewPCG(1, 1)), prompts, n, false)
	for seed := range seeds {
		together := converse(t, two, rand.New(rand.NewPCG(seed, 2)), prompts, n, true)
		for i := range alone {
			require.Equal(t, alone[i].tokens, together[i].tokens, "seed %d, conversation %d", seed, i)
			require.Equal(t, alone[i].logits, together[i].logits, "seed %d, conversation %d", seed, i)
		}
	}
	return alone
}

// converse gives each prompt n greedy tokens: one after another, each prompt in
// one step; or all in a jumble. The blocks are dealt at random.
func converse(t *testing.T, e *Engine, rng *rand.Rand, prompts [][]int32, n int, jumble bool) []*conversation {
	t.Helper()
	ids := rng.Perm(e.info.Blocks)
	share := e.info.Blocks / len(prompts)
	var all []*conversation
	for i, prompt := range prompts {
		c := &conversation{prompt: prompt}
		for _, id := range ids[i*share : (i+1)*share] {
			c.table = append(c.table, runtime.BlockID(id))
		}
		all = append(all, c)
	}
	unfinished := func(c *conversation) bool { return len(c.tokens) < n }
	for slices.ContainsFunc(all, unfinished) {
		var rows []runtime.Row
		var who []*conversation
		for _, c := range all {
			switch {
			case !unfinished(c), jumble && rng.IntN(3) == 0:
				continue
			case !jumble && len(rows) == 1:
				continue
			}
			chunk := len(c.prompt)
			if jumble {
				chunk = 1 + rng.IntN(2*e.info.BlockTokens)
			}
			rows, who = append(rows, c.next(chunk)), append(who, c)
		}
		for i, r := range step(t, e, rows...) {
			who[i].take(rows[i], r)
		}
	}
	return all
}

// next is the next row: a chunk of the prompt, or the latest token.
func (c *conversation) next(chunk int) runtime.Row {
	row := runtime.Row{Blocks: c.table, Start: c.done}
	if c.done < len(c.prompt) {
		row.Tokens = c.prompt[c.done:min(c.done+chunk, len(c.prompt))]
	} else {
		row.Tokens = c.tokens[len(c.tokens)-1:]
	}
	if c.done+len(row.Tokens) >= len(c.prompt) {
		row.Want = runtime.WantAll
	}
	return row
}

func (c *conversation) take(row runtime.Row, r runtime.Result) {
	c.done += len(row.Tokens)
	if row.Want != 0 {
		c.tokens = append(c.tokens, runtime.TopOf(r.Logits, 1)[0].ID)
		c.logits = append(c.logits, slices.Clone(r.Logits))
	}
}

// A shared prefix is read by many and written by none.
func TestSharedBlocks(t *testing.T) {
	e := newEngine(t, "testdata/parity/llama-f32", Options{Blocks: 16, BlockTokens: 4})
	prefix := []int32{9, 8, 7, 6, 5, 4, 3, 2}
	step(t, e, runtime.Row{Blocks: []runtime.BlockID{3, 1}, Tokens: prefix})
	shared := step(t, e,
		runtime.Row{Blocks: []runtime.BlockID{3, 1, 5}, Start: 8, Tokens: []int32{1}, Want: 3},
		runtime.Row{Blocks: []runtime.BlockID{3, 1, 6}, Start: 8, Tokens: []int32{2}, Want: 3},
		runtime.Row{Blocks: []runtime.BlockID{3, 1, 7}, Start: 8, Tokens: []int32{2, 3}, Want: 3},
	)
	own := step(t, e,
		runtime.Row{Blocks: []runtime.BlockID{8, 9, 10}, Tokens: append(slices.Clone(prefix), 1), Want: 3},
		runtime.Row{Blocks: []runtime.BlockID{11, 12, 13}, Tokens: append(slices.Clone(prefix), 2, 3), Want: 3},
	)
	require.Equal(t, own[0], shared[0])
	require.Equal(t, own[1], shared[2])
	require.NotEqual(t, shared[0], shared[1])
}
