package runtime_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

// TestTopOfIsTheFrontOfTheSortedRow draws few different values, so that ties are common.
func TestTopOfIsTheFrontOfTheSortedRow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		logits := rapid.SliceOfN(rapid.Map(rapid.IntRange(-4, 4), func(i int) float32 { return float32(i) / 2 }), 1, 60).Draw(t, "logits")
		n := rapid.IntRange(0, len(logits)+3).Draw(t, "n")
		sorted := make([]runtime.Candidate, len(logits))
		for id, l := range logits {
			sorted[id] = runtime.Candidate{ID: int32(id), Logit: l}
		}
		slices.SortStableFunc(sorted, func(a, b runtime.Candidate) int { return cmp.Compare(b.Logit, a.Logit) })
		require.Equal(t, sorted[:min(n, len(sorted))], runtime.TopOf(logits, n))
	})
}

func TestLogSumExp(t *testing.T) {
	require.InDelta(t, 3.407606, runtime.LogSumExp([]float32{1, 3, 2}), 1e-6)
	require.InDelta(t, 1000+math.Log(2), runtime.LogSumExp([]float32{1000, 1000}), 1e-3, "does not overflow")
	require.Zero(t, runtime.LogSumExp([]float32{0, float32(math.Inf(-1))}), "a token that is ruled out")
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		f := float64(runtime.LogSumExp([]float32{0, float32(bad), 1}))
		require.True(t, math.IsNaN(f) || math.IsInf(f, 0))
	}
}
