package engine

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/mlx"
	"troupe/runtime"
)

// BenchmarkDecode is one step of n rows with 100 positions each, on a model so
// small that the cost is that of the operations and not of the arithmetic.
func BenchmarkDecode(b *testing.B) {
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			e := newEngine(b, "testdata/parity/llama-bf16-llama3", Options{Blocks: 4 * n})
			var rows []runtime.Row
			for i := range n {
				row := runtime.Row{Blocks: sequentialBlocks(4 * n)[4*i : 4*i+4], Tokens: make([]int32, 100)}
				step(b, e, row)
				row.Start, row.Tokens, row.Want = 100, []int32{1}, 8
				rows = append(rows, row)
			}
			for b.Loop() {
				step(b, e, rows...)
			}
		})
	}
}

// BenchmarkNew loads a tiny model with a pool of 1 GiB.
func BenchmarkNew(b *testing.B) {
	requireMLX(b)
	folder, err := ReadFolder(os.DirFS("testdata/parity/llama-f32"), "m")
	require.NoError(b, err)
	for b.Loop() {
		e, err := New(folder, Options{KVBytes: 1 << 30, Device: mlx.CPU})
		require.NoError(b, err)
		require.NoError(b, e.Close())
	}
}
