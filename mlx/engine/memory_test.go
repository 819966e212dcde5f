package engine

import (
	"errors"
	"math"
	"os"
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
	e := newEngine(t, "testdata/parity/llama-f32", Options{Blocks: 8192, BlockTokens: 32})
	buffer := int(e.info.BlockBytes) * e.info.Blocks / (2 * len(e.decoder.spec.Layers))
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
		return e.graph.Eval(e.graph.Keep(e.decoder.pool.keys[0].Array()))
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
	for _, name := range []string{"llama-f32", "llama-f16-linear", "qwen3-mixed"} {
		other := newEngine(t, "testdata/parity/llama-f32", Options{Blocks: 1})
		before := other.memory(t).Active
		e := newEngine(t, "testdata/parity/"+name, Options{Blocks: 100})
		folder, err := ReadFolder(os.DirFS("testdata/parity/"+name), name)
		require.NoError(t, err)
		plan := folder.MemoryPlan(Options{Blocks: 100}, true)
		require.InEpsilon(t, plan.Weights+plan.PoolBytes, other.memory(t).Active-before, 0.02)
		require.NoError(t, e.Close())
		require.NoError(t, other.Close())
	}
}

// What former owners left in a block must not reach its new owner, not even
// when it is not a number.
func TestStaleNaNsAreNotRead(t *testing.T) {
	e := newEngine(t, "testdata/parity/llama-f32", Options{Blocks: 12, BlockTokens: 8})
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
	require.NoError(t, e.thread.Do(func(c *mlx.Context) error {
		g := c.NewGraph()
		for _, slots := range [][]*mlx.Slot{e.decoder.pool.keys, e.decoder.pool.values} {
			for _, s := range slots {
				g.Set(s, g.Full(math.NaN(), mlx.Float16, s.Array().Shape()...))
			}
		}
		return errors.Join(g.Eval(), g.Close())
	}))
	require.Equal(t, clean, run())
}
