package engine

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

func TestReduce(t *testing.T) {
	logits := []float32{1, 3, 2}
	r, err := reduce(logits, 2)
	require.NoError(t, err)
	require.Equal(t, []runtime.Candidate{{ID: 1, Logit: 3}, {ID: 2, Logit: 2}}, r.Top)
	require.InDelta(t, 3.407606, r.LogSumExp, 1e-6)
	require.Nil(t, r.Logits)

	r, err = reduce(logits, runtime.WantAll)
	require.NoError(t, err)
	require.Equal(t, logits, r.Logits)

	r, err = reduce(logits, 99)
	require.NoError(t, err)
	require.Len(t, r.Top, 3)
}

func TestReduceRefusesWhatIsNotANumber(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1)} {
		_, err := reduce([]float32{0, float32(bad), 1}, 1)
		require.ErrorContains(t, err, "not finite")
	}
	// A single token may be ruled out.
	_, err := reduce([]float32{0, float32(math.Inf(-1))}, 1)
	require.NoError(t, err)
}
