package engine

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/mlx"
	"troupe/runtime"
)

func (e *Engine) memory(t testing.TB) (m mlx.Memory) {
	t.Helper()
	require.NoError(t, e.thread.Do(func(c *mlx.Context) error {
		m = c.Memory()
		return nil
	}))
	return m
}

// The pool is by far the largest thing here: if a step copied one of its
// buffers, the peak would show it.
func TestStepsDoNotCopyThePool(t *testing.T) {
	e := newEngine(t, "testdata/parity/llama-f32", Options{Blocks: 8192, BlockTokens: 32, Reference: true})
	pool := e.backend.(*graph).decoder.pool
	buffer := int(e.info.BlockBytes) * e.info.Blocks / (2 * len(pool.keys))
	require.GreaterOrEqual(t, buffer, 12<<20)
	rows := []runtime.Row{
		{Blocks: []runtime.BlockID{4000, 17}, Tokens: make([]int32, 40), Want: 1},
		{Blocks: []runtime.BlockID{8191}, Tokens: []int32{3}, Want: 1},
		{Blocks: []runtime.BlockID{5}, Tokens: []int32{4}},
	}
	require.NoError(t, e.thread.Do(func(c *mlx.Context) error { c.ResetPeak(); return nil }))
	before := e.memory(t).Active
	for range 5 {
		step(t, e, rows...)
		step(t, e, rows[1], rows[2])
	}
	after := e.memory(t)
	require.Equal(t, before, after.Active)
	require.Less(t, after.Peak-before, buffer/2)

	// The counter does see a copy: a second reference to one buffer forces it.
	require.NoError(t, e.thread.Do(func(c *mlx.Context) error {
		return e.graph.Eval(e.graph.Keep(pool.keys[0].data.Array()))
	}))
	step(t, e, rows[1])
	require.GreaterOrEqual(t, e.memory(t).Peak-before, buffer)
}

func TestNothingLeaks(t *testing.T) {
	e := newEngine(t, "testdata/parity/qwen3-mixed", Options{Blocks: 16, BlockTokens: 16})
	row := runtime.Row{Blocks: sequentialBlocks(16), Tokens: []int32{1}, Want: 4}
	var after10 int
	for i := range 1000 {
		row.Start = i % 250
		step(t, e, row)
		if i == 9 {
			after10 = e.memory(t).Active
		}
	}
	require.Equal(t, after10, e.memory(t).Active)
}

// Weights and pool go with the engine that owns them, and so does what a
// failed load had read.
func TestCloseFreesEverything(t *testing.T) {
	other := newEngine(t, "testdata/parity/llama-f32", Options{Blocks: 1})
	before := other.memory(t).Active
	e := newEngine(t, "testdata/parity/llama-8bit-group32", Options{Blocks: 256})
	require.Greater(t, other.memory(t).Active, before+100_000)
	require.NoError(t, e.Close())
	require.Equal(t, before, other.memory(t).Active)

	files := copyFolder(t, "testdata/parity/llama-f32")
	folder, err := ReadFolder(files, "cut")
	require.NoError(t, err)
	files["model.safetensors"].Data = files["model.safetensors"].Data[:100_000]
	_, err = New(folder, Options{Blocks: 4, Device: mlx.CPU})
	require.Error(t, err)
	require.Equal(t, before, other.memory(t).Active)
}

// The plan says what loading really takes.
func TestPlanIsTrue(t *testing.T) {
	for _, name := range []string{"testdata/parity/llama-f32", "testdata/parity/llama-f16-linear", "testdata/parity/qwen3-mixed", starterDir} {
		forEachForm(t, func(t *testing.T, o Options) {
			if o.Reference && o.KVBits != 16 && name != starterDir {
				t.Skip("MLX's operations want a head_dim that is a multiple of 32")
			}
			o.Blocks = 100
			other := newEngine(t, "testdata/parity/llama-f32", Options{Blocks: 1})
			before := other.memory(t).Active
			e := newEngine(t, name, o)
			plan := readFolderAt(t, name).MemoryPlan(o)
			require.InEpsilon(t, plan.Weights+plan.PoolBytes, other.memory(t).Active-before, 0.02)
			require.NoError(t, e.Close())
			require.NoError(t, other.Close())
		})
	}
}

// What former owners left in a block must not reach its new owner, not even
// when it is not a number.
func TestStaleNaNsAreNotRead(t *testing.T) {
	forEachForm(t, func(t *testing.T, o Options) {
		o.Blocks, o.BlockTokens = 12, 8
		e := newEngine(t, starterDir, o)
		run := func() (logits [][]float32) {
			rows := []runtime.Row{
				{Blocks: []runtime.BlockID{0, 1}, Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8, 9}, Want: runtime.WantAll},
				{Blocks: []runtime.BlockID{2}, Tokens: []int32{6, 7}, Want: runtime.WantAll},
			}
			for range 2 {
				for _, r := range step(t, e, rows...) {
					logits = append(logits, append([]float32(nil), r.Logits...))
				}
				// Then decode both in one padded group of two blocks.
				rows = []runtime.Row{
					{Blocks: []runtime.BlockID{0, 1}, Start: 9, Tokens: []int32{3}, Want: runtime.WantAll},
					{Blocks: []runtime.BlockID{3, 4}, Start: 8, Tokens: []int32{3}, Want: runtime.WantAll},
				}
				step(t, e, runtime.Row{Blocks: []runtime.BlockID{3}, Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8}})
			}
			return logits
		}
		clean := run()
		// All bits set is not a number in float16, and so are scales of quantised blocks.
		broken := bytes.Repeat([]byte{0xff}, int(e.info.BlockBytes))
		for b := range e.info.Blocks {
			require.NoError(t, e.WriteBlock(runtime.BlockID(b), broken))
		}
		require.Equal(t, clean, run())
	})
}
