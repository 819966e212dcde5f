package runtime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

// A token takes some time, and more for each position before it. However little of that was seen, a chunk anywhere is never taken to be much cheaper than it
// is; and where a long prompt has just been it is known well.
func TestCostsOfPromptsAreNeverTooLow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		token := rapid.Float64Range(0.01, 10).Draw(t, "ms for a token")
		more := rapid.Float64Range(0, 0.5).Draw(t, "of that for each position / 1000")
		truth := func(start, n int) time.Duration {
			return time.Duration(float64(n) * token * (1 + more*(float64(start)+float64(n)/2)/1000) * 1e6)
		}
		var c runtime.StepCost
		n := rapid.SampledFrom([]int{4, 32, 512}).Draw(t, "chunk")
		for range rapid.IntRange(1, 3).Draw(t, "prompts") {
			start, steps := rapid.IntRange(0, 40_000).Draw(t, "start"), rapid.IntRange(1, 200).Draw(t, "steps")
			for range steps {
				c.Observe(0, []runtime.Row{{Start: start, Tokens: make([]int32, n)}}, truth(start, n))
				start += n
			}
			if steps > 20 && n < 100 {
				require.InEpsilon(t, truth(start, n).Seconds(), c.Prefill(start, n).Seconds(), 0.25)
			}
		}
		start := rapid.IntRange(0, 100_000).Draw(t, "elsewhere")
		require.GreaterOrEqual(t, c.Prefill(start, n).Seconds(), 0.9*truth(start, n).Seconds())
	})
}

func TestNothingIsKnownBeforeItWasSeen(t *testing.T) {
	var c runtime.StepCost
	require.Zero(t, c.Decode(8))
	require.Zero(t, c.Prefill(0, 32))
	c.Observe(2, nil, 20*time.Millisecond)
	c.Observe(4, nil, 40*time.Millisecond)
	require.InDelta(t, 0.08, c.Decode(8).Seconds(), 0.001)
	require.Zero(t, c.Prefill(0, 32))
	c.Observe(4, []runtime.Row{{Tokens: make([]int32, 10)}}, 50*time.Millisecond)
	require.InDelta(t, 0.01, c.Prefill(0, 10).Seconds(), 0.001, "without what the others took")
	c.Observe(4, []runtime.Row{{Tokens: make([]int32, 10)}}, 10*time.Millisecond)
	require.Positive(t, c.Prefill(0, 10), "although nothing is left")
}

func TestStepsThatTakeLongerThanExpectedLeaveRoom(t *testing.T) {
	var c runtime.StepCost
	step := func(ms int) {
		c.Observe(1, []runtime.Row{{Tokens: make([]int32, 10)}}, time.Duration(ms)*time.Millisecond)
	}
	c.Observe(1, nil, 10*time.Millisecond)
	for range 50 {
		step(100)
	}
	require.InDelta(t, 90, c.Within(100*time.Millisecond).Milliseconds(), 2)
	step(125)
	require.InDelta(t, 72, c.Within(100*time.Millisecond).Milliseconds(), 2)
	step(2000)
	require.InDelta(t, 60, c.Within(100*time.Millisecond).Milliseconds(), 2, "once is no reason to stop")
	for range 500 {
		step(100)
	}
	require.InDelta(t, 90, c.Within(100*time.Millisecond).Milliseconds(), 2)
	c.Observe(1, nil, 10*time.Millisecond)
	require.InDelta(t, 51, c.Within(100*time.Millisecond).Milliseconds(), 2, "the first of its kind")
}
