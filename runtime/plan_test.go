package runtime_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

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

// However many long prompts an agent has, the short one of another goes into the next step whole, and a long one gets half of each.
func TestAPromptWaitsForNobodyElses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := runtime.StepLimits{Rows: 64, Chunk: 4 * rapid.IntRange(2, 64).Draw(t, "chunk"), BlockTokens: 4}
		fair := runtime.NewFair()
		many, other := fair.Enter("many"), (*runtime.Party)(nil)
		var pending []runtime.Pending
		for range rapid.IntRange(1, 50).Draw(t, "requests") {
			pending = append(pending, runtime.Pending{Tokens: 100_000, Room: 100_000, Party: many, Price: 1})
		}
		step := func(turn int) map[*runtime.Party]int {
			got := map[*runtime.Party]int{}
			for _, s := range runtime.PlanStep(pending, l, turn) {
				p := &pending[s.Index]
				p.Start, p.Tokens, p.Room = p.Start+s.Tokens, p.Tokens-s.Tokens, p.Room-s.Tokens
				got[p.Party] += s.Tokens
				fair.Charge(p.Party, float64(s.Tokens)*p.Price)
			}
			return got
		}
		for turn := range rapid.IntRange(0, 9).Draw(t, "steps before") {
			require.Equal(t, l.Chunk, step(turn)[many])
		}
		other = fair.Enter("other")
		n := rapid.IntRange(2, 40).Draw(t, "tokens")
		pending = append(pending, runtime.Pending{Tokens: n, Room: n + 4 - n%4, Party: other, Price: 1})
		for turn, left := 10, n; left > 0; turn++ {
			got := step(turn)[other]
			require.GreaterOrEqual(t, got, min(left, l.Chunk/8*4), "half of the chunk, in whole blocks")
			left -= got
		}
	})
}

// Whatever the others are, and however many come after it, a prompt gets on.
func TestNoPromptStarves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := runtime.StepLimits{Rows: 16, Chunk: 4 * rapid.IntRange(1, 16).Draw(t, "chunk"), BlockTokens: 4}
		fair := runtime.NewFair()
		last := fair.Enter("batch")
		pending := []runtime.Pending{{Tokens: 40, Room: 44, Party: last, Price: runtime.Batch.Price()}}
		crowd := rapid.IntRange(1, 12).Draw(t, "crowd")
		coming := 0
		for turn := 0; pending[0].Tokens > 0; turn++ {
			require.Less(t, turn, 8*11*(crowd+1), "steps that the batch has waited")
			for len(pending) <= crowd { // as soon as one of them is done another one comes, whom nobody has seen before
				coming++
				n := rapid.IntRange(2, 9).Draw(t, "tokens")
				pending = append(pending, runtime.Pending{Tokens: n, Room: 12, Party: fair.Enter(fmt.Sprint(coming)), Price: 1})
			}
			for _, s := range runtime.PlanStep(pending, l, turn) {
				p := &pending[s.Index]
				p.Start, p.Tokens, p.Room = p.Start+s.Tokens, p.Tokens-s.Tokens, p.Room-s.Tokens
				fair.Charge(p.Party, float64(s.Tokens)*p.Price)
			}
			pending = slices.DeleteFunc(pending, func(p runtime.Pending) bool {
				if p.Tokens == 0 && p.Party != last {
					fair.Leave(p.Party)
				}
				return p.Tokens == 0 && p.Party != last
			})
		}
	})
}

func TestChunksFitTheirTime(t *testing.T) {
	cost := &runtime.StepCost{}
	l := runtime.StepLimits{Rows: 8, Chunk: 64, BlockTokens: 4, MaxTime: 112 * time.Millisecond, Cost: cost} // 100 of them for the engine
	decode := runtime.Pending{Start: 9, Tokens: 1, Room: 3}
	prefill := func(start int) runtime.Pending { return runtime.Pending{Start: start, Tokens: 1000, Room: 1000} }
	chunk := func(pending ...runtime.Pending) (n int) {
		for _, s := range runtime.PlanStep(pending, l, 0) {
			if pending[s.Index].Tokens > 1 {
				n += s.Tokens
			}
		}
		return n
	}
	require.Equal(t, 4, chunk(decode, prefill(0)), "nothing is known")
	require.Equal(t, 64, chunk(prefill(0)), "nobody decodes")
	for _, rows := range []int{1, 2, 3} {
		cost.Observe(rows, nil, time.Duration(20*rows)*time.Millisecond)
	}
	for start := 0; start < 5000; start += 40 { // 1 ms a token, and 1 more for each 1000 positions before it
		cost.Observe(0, []runtime.Row{{Start: start, Tokens: make([]int32, 40)}}, time.Duration(40*1000+40*(start+20))*time.Microsecond)
	}
	require.Equal(t, 32, chunk(decode, prefill(0)), "the first step beside others")
	cost.Observe(1, []runtime.Row{{Start: 4980, Tokens: make([]int32, 40)}}, 260*time.Millisecond)
	require.Equal(t, 64, chunk(decode, prefill(0)), "80 ms are left")
	require.Equal(t, 52, chunk(decode, decode, prefill(0)), "60 ms are left")
	require.Equal(t, 44, chunk(decode, decode, decode, prefill(0)), "40 ms are left, but half of the time is the prompt's")
	require.Equal(t, 16, chunk(decode, prefill(4000)), "a token takes 5 ms")
	require.Equal(t, 8, chunk(decode, decode, decode, decode, decode, decode, prefill(4000)), "no time is left, but half of it")
	require.Equal(t, 8, chunk(decode, prefill(8000)), "a token takes 9 ms, and none was seen so far back")
	require.Equal(t, 4, chunk(decode, prefill(1_000_000)), "something in any case")
	l.BlockTokens = 64
	require.Equal(t, 12, chunk(decode, prefill(4032)), "a part of a block")
	l.MaxTime = 0
	require.Equal(t, 64, chunk(decode, prefill(0)))
}
