package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/mlx/engine"
)

func tinyModel(t testing.TB) *engine.Folder {
	t.Helper()
	folder, err := modelFlag{"../../mlx/engine/testdata/parity/llama-f32"}.open()
	require.NoError(t, err)
	return folder
}

func TestThePoolTakesWhatTheModelLeaves(t *testing.T) {
	folder := tinyModel(t)
	weights := folder.MemoryPlan(engine.Options{}).Weights
	for limit, want := range map[int64]int64{
		0:        512 << 20, // unknown
		64 << 30: 2 << 30,
		4 << 30:  1 << 30,
		// An eighth is set aside; a quarter would not fit beside the weights.
		weights * 3 / 2: weights*3/2 - weights - weights*3/16,
	} {
		fits, err := (&engineFlags{KVBits: 16}).fitIn(folder, limit)
		require.NoError(t, err)
		require.Equal(t, want, fits.options.KVBytes, "limit %d", limit)
		require.LessOrEqual(t, fits.plan.PoolBytes, want)
		if limit > 0 {
			require.GreaterOrEqual(t, fits.left(), int64(0))
		}
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	folder := tinyModel(t)
	weights := folder.MemoryPlan(engine.Options{}).Weights

	_, err := (&engineFlags{KVBits: 16, MemoryLimit: byteSize(weights)}).fit(folder)
	require.ErrorContains(t, err, "model llama-f32 does not fit: its weights take ")
	require.ErrorContains(t, err, "--memory-limit")

	flags := engineFlags{KVBits: 16, KVMemory: 64 << 20, MemoryLimit: 64 << 20}
	_, err = flags.fit(folder)
	require.ErrorContains(t, err, "--kv-memory 64 MiB does not fit")
	require.ErrorContains(t, err, "say --kv-memory 55MiB or less", "64 MiB less an eighth and the weights")
	flags.KVMemory = 55 << 20
	_, err = flags.fit(folder)
	require.NoError(t, err, "what the error says helps")
}

func TestOptionsThatMakeNoSenseAreRefusedBeforeLoading(t *testing.T) {
	_, err := (&engineFlags{KVBits: 16, BlockTokens: 1 << 20, KVMemory: 1 << 20}).fit(tinyModel(t))
	require.ErrorContains(t, err, "model llama-f32")
}

func TestSizesAreWrittenAsFlagsTakeThem(t *testing.T) {
	for n, want := range map[int64]string{1<<20 - 1: "1048575", 1 << 20: "1MiB", 3<<30 + 5: "3072MiB"} {
		require.Equal(t, want, written(n))
		var back byteSize
		require.NoError(t, back.UnmarshalText([]byte(want)))
		require.LessOrEqual(t, int64(back), n)
	}
}
