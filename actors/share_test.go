package actors_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
)

// words returns n random tokens.
func words(rng *rand.Rand, n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = rng.Int32N(64)
	}
	return out
}

// Twenty agents with the same 5,000 tokens, all there before anything is computed: it is computed once and held once.
func TestTwentyAtOnceComputeTheirPromptOnce(t *testing.T) {
	const agents, common = 20, 5000
	for name, tail := range map[string]int{"the same": 0, "each with a question of its own": 7} {
		t.Run(name, func(t *testing.T) {
			g := newGate()
			s := start(t, enginetest.Options{Context: 6000, Blocks: 700, BeforeStep: g.beforeStep}, actors.Config{MaxBatch: 32})
			system := words(rand.New(rand.NewPCG(1, 2)), common)
			var streams []*actors.Stream
			var want []string
			for n := range agents {
				p := append(system[:common:common], words(rand.New(rand.NewPCG(uint64(n), 3)), tail)...)
				want = append(want, spell(enginetest.Greedy(64, p, 20)))
				streams = append(streams, generate(t, s, actors.Request{Agent: fmt.Sprint(n), Prompt: p, MaxTokens: 20}))
			}
			g.wait()
			g.open()
			for n, st := range streams {
				text, cached, o := read(st)
				require.NoError(t, o.Err)
				require.Equal(t, want[n], text)
				require.Equal(t, cached, o.CachedTokens)
				if n > 0 {
					require.Equal(t, common/16*16, cached)
				}
			}
			st := stats(t, s)
			require.EqualValues(t, common+tail+(agents-1)*(common%16+tail), st.Prefilled)
			require.LessOrEqual(t, st.Cached, common/16+agents*3)
			require.Equal(t, agents, st.IdleAgents)
		})
	}
}

// An anonymous client that sends its whole conversation again finds all but the last, partial block of it.
func TestAnonymousConversationsGoOn(t *testing.T) {
	s := start(t, enginetest.Options{Blocks: 200}, actors.Config{Check: true})
	history := prompt(4, 40)
	for turn := range 6 {
		text, cached, o := read(generate(t, s, actors.Request{Prompt: history, MaxTokens: 21}))
		want := enginetest.Greedy(64, history, 21)
		require.NoError(t, o.Err)
		require.Equal(t, spell(want), text)
		if turn > 0 {
			require.Equal(t, (len(history)-4)/16*16, cached, "turn %d", turn)
		}
		history = append(append(history, want...), int32(turn), 1, 2)
	}
	require.Zero(t, stats(t, s).IdleAgents)
}

// A second request of a busy agent reads the blocks of the first, and neither disturbs the other.
func TestForksOfABusyAgent(t *testing.T) {
	s := start(t, enginetest.Options{Blocks: 200}, actors.Config{Check: true})
	p := prompt(7, 100)
	read(generate(t, s, actors.Request{Agent: "a", Prompt: p, MaxTokens: 1}))
	var all sync.WaitGroup
	for n := range 6 {
		st := generate(t, s, actors.Request{Agent: "a", Prompt: append(p[:90:90], int32(n)), MaxTokens: 30})
		all.Go(func() {
			text, cached, o := read(st)
			if want := spell(enginetest.Greedy(64, append(p[:90:90], int32(n)), 30)); o.Err != nil || text != want {
				t.Errorf("fork %d: %q and %v, want %q", n, text, o.Err, want)
			}
			if want := 80; cached < want || cached > 90 {
				t.Errorf("fork %d: %d tokens were cached, want %d", n, cached, want)
			}
		})
	}
	all.Wait()
	leasesNothing(t, s)
}

// Each agent's prompts carry its own tag in every other token, all begin alike, and the pool holds a few of them: whoever got another's blocks would say
// something else.
func TestNobodySeesAnothersTokens(t *testing.T) {
	const agents, turns = 12, 15
	s := start(t, enginetest.Options{Blocks: 60, BlockTokens: 4, Context: 120}, actors.Config{MaxBatch: 6, PrefillChunk: 16, Check: true})
	var all sync.WaitGroup
	for n := range agents {
		all.Go(func() {
			rng := rand.New(rand.NewPCG(uint64(n), 9))
			history := prompt(0, 10)
			for turn := range turns {
				for range 1 + rng.IntN(6) {
					history = append(history, int32(n), rng.Int32N(4))
				}
				if len(history) > 80 { // say something else from somewhere on
					history = history[:8+rng.IntN(40)]
				}
				r := actors.Request{Prompt: history, MaxTokens: 8, IgnoreEOS: true}
				if n%3 > 0 {
					r.Agent = fmt.Sprint("agent ", n/2) // some are spoken to by two at once
				}
				text, _, o := read(generate(t, s, r))
				want := enginetest.Greedy(64, history, 8)
				if o.Err != nil || text != spell(want) || o.Reason != runtime.FinishLength {
					t.Errorf("agent %d, turn %d: %q and %v, want %q", n, turn, text, o.Err, spell(want))
					return
				}
				history = append(history[:len(history):len(history)], want...)
			}
		})
	}
	all.Wait()
	leasesNothing(t, s)
}

// leasesNothing waits for all leased blocks to come home: one that was granted to a request just before it ended is still on its way when its stream ends.
func leasesNothing(t *testing.T, s *actors.System) {
	t.Helper()
	require.Eventually(t, func() bool { return stats(t, s).Leased == 0 }, time.Minute, time.Millisecond)
}
