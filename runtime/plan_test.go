package runtime_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

func TestPlanStep(t *testing.T) {
	limits := runtime.StepLimits{Rows: 8, Chunk: 16, BlockTokens: 4}
	decode := runtime.Pending{Start: 9, Tokens: 1, Room: 3}
	prefill := func(start, tokens int) runtime.Pending {
		return runtime.Pending{Start: start, Tokens: tokens, Room: tokens + 4 - (start+tokens)%4}
	}
	share := func(v ...int) (out []runtime.Share) {
		for i := 0; i < len(v); i += 2 {
			out = append(out, runtime.Share{Index: v[i], Tokens: v[i+1]})
		}
		return out
	}
	for _, c := range []struct {
		name    string
		pending []runtime.Pending
		limits  runtime.StepLimits
		turn    int
		want    []runtime.Share
	}{
		{name: "nothing", want: share()},
		{name: "all that decode take part", pending: []runtime.Pending{decode, decode, decode}, want: share(0, 1, 1, 1, 2, 1)},
		{name: "one without room waits", pending: []runtime.Pending{decode, {Start: 8, Tokens: 1}}, want: share(0, 1)},
		{name: "a short prompt goes whole", pending: []runtime.Pending{prefill(0, 7)}, want: share(0, 7)},
		{name: "a long one ends at a boundary", pending: []runtime.Pending{prefill(3, 40)}, want: share(0, 13)},
		{name: "decodes beside a prompt", pending: []runtime.Pending{decode, prefill(0, 40), decode}, want: share(0, 1, 1, 16, 2, 1)},
		{name: "two prompts share", pending: []runtime.Pending{prefill(0, 40), prefill(0, 40)}, want: share(0, 8, 1, 8)},
		{name: "what a short one leaves goes to the long one", pending: []runtime.Pending{prefill(0, 40), prefill(0, 3)}, want: share(0, 12, 1, 3)},
		{name: "more prompts than blocks take turns", turn: 1,
			pending: []runtime.Pending{prefill(0, 40), prefill(0, 40), prefill(0, 40), prefill(0, 40), prefill(0, 40)}, want: share(1, 4, 2, 4, 3, 4, 4, 4)},
		{name: "the chunk is at least a block", pending: []runtime.Pending{prefill(0, 40)}, limits: runtime.StepLimits{Rows: 8, Chunk: 1, BlockTokens: 4}, want: share(0, 4)},
		{name: "decodes take turns where rows are short", turn: 1, limits: runtime.StepLimits{Rows: 2, Chunk: 16, BlockTokens: 4},
			pending: []runtime.Pending{decode, decode, decode}, want: share(1, 1, 2, 1)},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := c.limits
			if l.Rows == 0 {
				l = limits
			}
			got := runtime.PlanStep(c.pending, l, c.turn)
			require.ElementsMatch(t, c.want, got)
			require.Equal(t, len(c.want), len(got))
		})
	}
}

func TestEveryPlanKeepsTheLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := runtime.StepLimits{
			Rows: rapid.IntRange(1, 12).Draw(t, "rows"), Chunk: rapid.IntRange(1, 40).Draw(t, "chunk"),
			BlockTokens: rapid.IntRange(1, 9).Draw(t, "block"),
		}
		pending := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) runtime.Pending {
			start := rapid.IntRange(0, 50).Draw(t, "start")
			used := (start + l.BlockTokens - 1) / l.BlockTokens
			blocks := used + rapid.IntRange(0, 9).Draw(t, "blocks")
			return runtime.Pending{Start: start, Tokens: rapid.IntRange(0, 60).Draw(t, "tokens"), Room: blocks*l.BlockTokens - start}
		}), 0, 14).Draw(t, "pending")
		turn := rapid.IntRange(0, 1000).Draw(t, "turn")

		shares := runtime.PlanStep(pending, l, turn)
		able, decodes, prefilled, last := 0, 0, 0, -1
		for _, p := range pending {
			if p.Tokens > 0 && p.Room > 0 {
				able++
				if p.Tokens == 1 {
					decodes++
				}
			}
		}
		planned := 0
		for _, s := range shares {
			p := pending[s.Index]
			require.Greater(t, s.Index, last, "in order, each once")
			last = s.Index
			require.LessOrEqual(t, s.Tokens, min(p.Tokens, p.Room))
			require.Positive(t, s.Tokens)
			if p.Tokens == 1 {
				planned++
				continue
			}
			prefilled += s.Tokens
			require.True(t, s.Tokens == p.Tokens || (p.Start+s.Tokens)%l.BlockTokens == 0, "%+v takes %d", p, s.Tokens)
		}
		require.LessOrEqual(t, len(shares), l.Rows)
		require.LessOrEqual(t, prefilled, max(l.Chunk, l.BlockTokens))
		require.Equal(t, min(decodes, l.Rows), planned, "whoever decodes takes part")
		require.Equal(t, able > 0, len(shares) > 0, "a plan is empty only if nobody can go on")
	})
}

// A short prompt that arrives while any number of long ones are prefilled is done after a few steps, however long those are.
func TestNobodyStarvesBehindLongPrompts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := runtime.StepLimits{Rows: 16, Chunk: rapid.IntRange(4, 64).Draw(t, "chunk"), BlockTokens: 4}
		long := rapid.IntRange(1, 12).Draw(t, "long")
		n := rapid.IntRange(2, 4).Draw(t, "short") // fits in one block
		pending := make([]runtime.Pending, long+1)
		for i := range long {
			pending[i] = runtime.Pending{Tokens: 1_000_000, Room: 1_000_000}
		}
		pending[long] = runtime.Pending{Tokens: n, Room: 8}
		turn := rapid.IntRange(0, 100).Draw(t, "turn")
		for step := 0; pending[long].Tokens > 0; step++ {
			require.LessOrEqual(t, step, long+1, "steps that the short one waited")
			for _, s := range runtime.PlanStep(pending, l, turn+step) {
				p := &pending[s.Index]
				p.Start, p.Tokens, p.Room = p.Start+s.Tokens, p.Tokens-s.Tokens, p.Room-s.Tokens
			}
		}
	})
}
