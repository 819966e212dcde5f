package runtime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

func TestCheckPrompt(t *testing.T) {
	l := runtime.Limits{Context: 100, Blocks: 4, BlockTokens: 16}
	require.NoError(t, l.CheckPrompt(1))
	require.NoError(t, l.CheckPrompt(63), "one more fits")
	for n, want := range map[int]struct {
		kind    runtime.Kind
		message string
	}{
		0:   {runtime.Invalid, "the prompt is empty: it needs at least one token"},
		64:  {runtime.TooLarge, "the prompt has 64 tokens, and the KV memory of this server holds 63: shorten it, or start the server with more --kv-memory"},
		99:  {runtime.TooLarge, "the prompt has 99 tokens, and the KV memory of this server holds 63: shorten it, or start the server with more --kv-memory"},
		100: {runtime.Invalid, "prompt is too long: 100 tokens > 99 maximum"},
	} {
		err := l.CheckPrompt(n)
		require.EqualError(t, err, want.message)
		require.Equal(t, want.kind, runtime.KindOf(err))
	}
}

func TestOutputsAreCappedByWhatIsLeft(t *testing.T) {
	l := runtime.Limits{Context: 100, Blocks: 40, BlockTokens: 16}
	require.Equal(t, 90, l.Outputs(10, 0))
	require.Equal(t, 5, l.Outputs(10, 5))
	require.Equal(t, 90, l.Outputs(10, 1000))
	l.Blocks = 2
	require.Equal(t, 22, l.Outputs(10, 0), "the pool is smaller than the context")
}

func TestGrantIsOneBlockAheadAndNoMoreThanNeeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := runtime.Limits{
			Context: rapid.IntRange(2, 400).Draw(t, "context"), Blocks: rapid.IntRange(1, 40).Draw(t, "blocks"),
			BlockTokens: rapid.IntRange(2, 20).Draw(t, "block"),
		}
		n := rapid.IntRange(1, l.Positions()-1).Draw(t, "prompt")
		require.NoError(t, l.CheckPrompt(n))
		outputs := l.Outputs(n, rapid.IntRange(0, 500).Draw(t, "asked"))
		require.Positive(t, outputs)
		end := runtime.End(n, outputs)
		grant := l.Grant(n, end)
		require.LessOrEqual(t, grant, l.Blocks, "a request that was not refused fits when it is alone")
		require.GreaterOrEqual(t, grant*l.BlockTokens, n)

		// Decode to the end, asking as the batcher does: the lease never runs full, and takes no block that it does not need.
		lease := &runtime.Lease{BlockTokens: l.BlockTokens, Blocks: make([]runtime.BlockID, grant)}
		lease.Advance(n)
		for lease.Length < end {
			if runtime.WantsBlock(lease, end) {
				lease.Extend(make([]runtime.BlockID, 1))
			}
			require.Positive(t, lease.Room())
			lease.Advance(1)
		}
		require.LessOrEqual(t, len(lease.Blocks), l.Blocks)
		require.Less(t, lease.Capacity()-end, l.BlockTokens)
		require.False(t, runtime.WantsBlock(lease, end))
	})
}

func TestPace(t *testing.T) {
	var p runtime.Pace
	require.Zero(t, p.PerSecond())
	p.Observe(0, time.Second)
	p.Observe(5, 0)
	require.Zero(t, p.PerSecond(), "steps without prompt tokens say nothing")
	p.Observe(100, time.Second)
	require.InDelta(t, 100, p.PerSecond(), 1e-9)
	p.Observe(100, 500*time.Millisecond)
	require.InDelta(t, 120, p.PerSecond(), 1e-9)
	for range 100 {
		p.Observe(100, 500*time.Millisecond)
	}
	require.InDelta(t, 200, p.PerSecond(), 1)
}

// A queue behaves like a slice.
func TestQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q runtime.Queue[int]
		var want []int
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) { x := rapid.Int().Draw(t, "x"); q.Push(x); want = append(want, x) },
			"remove": func(t *rapid.T) {
				if len(want) == 0 {
					require.False(t, q.Remove(3))
					t.Skip("empty")
				}
				x := rapid.SampledFrom(want).Draw(t, "x")
				require.True(t, q.Remove(x))
				for i, y := range want {
					if x == y {
						want = append(append([]int(nil), want[:i]...), want[i+1:]...)
						break
					}
				}
			},
			"": func(t *rapid.T) {
				var got []int
				q.All(func(x int) { got = append(got, x) })
				require.Equal(t, len(want), q.Len())
				require.ElementsMatch(t, want, got)
				for i, x := range want {
					require.Equal(t, x, q.At(i))
					require.Equal(t, x, got[i])
				}
			},
		})
	})
}
