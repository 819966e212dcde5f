package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"troupe/mlx"
	"troupe/runtime"
	"troupe/runtime/enginetest"
)

// One model for each way of attending and of storing weights.
var varied = []string{"llama-f32", "llama-bf16-window", "llama-f32-dynamic", "qwen3-mixed", "smollm3-8bit", "qwen2-f16"}

func TestConformance(t *testing.T) {
	requireMLX(t)
	for _, name := range varied {
		for _, reference := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/reference=%v", name, reference), func(t *testing.T) {
				enginetest.Run(t, func(t *testing.T) runtime.Engine {
					e, err := New(readFolderAt(t, "testdata/parity/"+name), Options{Blocks: 64, BlockTokens: 8, Device: mlx.CPU, Reference: reference})
					require.NoError(t, err)
					return e
				})
			})
		}
	}
}

func TestInfo(t *testing.T) {
	e := newEngine(t, "testdata/parity/llama-f32", Options{KVBytes: 1 << 20, BlockTokens: 16, Reference: true})
	info := e.Info()
	require.Equal(t, 256, info.Vocab)
	require.Equal(t, 512, info.Context)
	require.EqualValues(t, 16*2*2*2*2*12, info.BlockBytes) // tokens, sides, bytes, layers, kv heads, head_dim
	require.Equal(t, (1<<20)/int(info.BlockBytes), info.Blocks)
}

// The tag must change with anything that a cached block depends on.
func TestTag(t *testing.T) {
	tagOf := func(name string, o Options) string {
		return newEngine(t, "testdata/parity/"+name, o).Info().Tag
	}
	base := tagOf("llama-f32", Options{Blocks: 4, BlockTokens: 8})
	require.NotEmpty(t, base)
	require.Equal(t, base, tagOf("llama-f32", Options{Blocks: 9, BlockTokens: 8}))
	require.NotEqual(t, base, tagOf("llama-f32", Options{Blocks: 4, BlockTokens: 16}))
	require.NotEqual(t, base, tagOf("llama-f32-dynamic", Options{Blocks: 4, BlockTokens: 8}))

	folder := copyFolder(t, "testdata/parity/llama-f32")
	folder["model.safetensors"].Data[len(folder["model.safetensors"].Data)-1] ^= 1
	require.NotEqual(t, base, openFS(t, folder).Info().Tag)
}

func TestProgressReachesTheTotal(t *testing.T) {
	var last, total int64
	newEngine(t, "testdata/parity/llama-4bit-sharded", Options{Blocks: 1, Progress: func(done, of int64) {
		require.Greater(t, done, last)
		last, total = done, of
	}})
	require.Equal(t, total, last)
	require.Positive(t, total)
}

func TestNewRefuses(t *testing.T) {
	requireMLX(t)
	folder, err := ReadFolder(os.DirFS("testdata/parity/llama-f32"), "m")
	require.NoError(t, err)
	for name, o := range map[string]Options{
		"no room for a block": {KVBytes: 10},
		"negative blocks":     {Blocks: -1},
		"too many blocks":     {Blocks: maxBlocks + 1},
		"negative tokens":     {BlockTokens: -1},
		"huge blocks":         {BlockTokens: 1 << 20},
	} {
		_, err := New(folder, o)
		require.ErrorContains(t, err, "model m", name)
	}
}

// A file that is cut between reading its header and loading it is an error.
func TestFileCutBeforeLoading(t *testing.T) {
	requireMLX(t)
	files := copyFolder(t, "testdata/parity/llama-f32")
	folder, err := ReadFolder(files, "cut")
	require.NoError(t, err)
	files["model.safetensors"].Data = files["model.safetensors"].Data[:100_000]
	_, err = New(folder, Options{Blocks: 4, Device: mlx.CPU})
	require.ErrorContains(t, err, "model.safetensors: tensor")
	delete(files, "model.safetensors")
	_, err = New(folder, Options{Blocks: 4, Device: mlx.CPU})
	require.True(t, errors.Is(err, fs.ErrNotExist))
}

func TestStepAfterClose(t *testing.T) {
	e := newEngine(t, "testdata/parity/llama-f32", Options{Blocks: 4})
	require.NoError(t, e.Close())
	_, err := e.Step([]runtime.Row{{Blocks: []runtime.BlockID{0}, Tokens: []int32{1}, Want: 1}})
	require.ErrorContains(t, err, "close")
}

func copyFolder(t testing.TB, dir string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		data, err := os.ReadFile(dir + "/" + e.Name())
		require.NoError(t, err)
		files[e.Name()] = &fstest.MapFile{Data: data}
	}
	return files
}

func openFS(t testing.TB, files fs.FS) *Engine {
	t.Helper()
	folder, err := ReadFolder(files, "copy")
	require.NoError(t, err)
	e, err := New(folder, Options{Blocks: 4, BlockTokens: 8, Device: mlx.CPU})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close()) })
	return e
}
