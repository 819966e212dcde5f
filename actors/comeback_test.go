package actors_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime/enginetest"
)

// Three hundred agents come to a house that has room for twenty, and a queue for forty. Whoever is refused comes back when he was told to, finds a place soon, and
// the engine has as much to do meanwhile as if all could wait.
func TestWhoComesBackWhenToldFindsAPlace(t *testing.T) {
	const agents = 300
	plain := costs(20*time.Millisecond, 4*time.Millisecond, time.Millisecond/4)
	for name, c := range map[string]struct {
		request func(i int, rng *rand.Rand) actors.Request
		at      func(i int) time.Duration
		seconds bool // the clients read Retry-After, not retry-after-ms
		cold    bool // nobody was there before, so that nothing is known of how fast the engine is
	}{
		"short prompts, at once": {request: func(int, *rand.Rand) actors.Request { return actors.Request{MaxTokens: 25} }},
		"nothing known":          {request: func(int, *rand.Rand) actors.Request { return actors.Request{MaxTokens: 25} }, cold: true},
		"whole seconds":          {request: func(int, *rand.Rand) actors.Request { return actors.Request{MaxTokens: 25} }, seconds: true},
		"one after the other": {
			request: func(int, *rand.Rand) actors.Request { return actors.Request{MaxTokens: 25} },
			at:      func(i int) time.Duration { return time.Duration(i) * 20 * time.Millisecond },
		},
		"answers of any length": {request: func(_ int, rng *rand.Rand) actors.Request { return actors.Request{MaxTokens: 3 + rng.IntN(45)} }},
		"long prompts": {request: func(i int, _ *rand.Rand) actors.Request {
			return actors.Request{Prompt: distinct(uint64(i), 220), MaxTokens: 10}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			warm := 5 // one by one
			if c.cold {
				warm = 0
			}
			run := func(queue int) (w *timed) {
				rng := rand.New(rand.NewPCG(1, 1))
				w = newTimed(t, enginetest.Options{Context: 512, Blocks: 20 * 17}, actors.Config{MaxBatch: 20, MaxQueue: queue}, plain)
				for i := range agents + warm {
					r := c.request(i, rng)
					r.Agent, r.IgnoreEOS = fmt.Sprint(i), true
					if r.Prompt == nil {
						r.Prompt = distinct(uint64(i), 20)
					}
					at := time.Duration(i) * time.Second
					if i >= warm {
						at = time.Duration(warm) * time.Second
						if c.at != nil {
							at += c.at(i)
						}
					}
					w.send(at, r).returns = true
					w.seconds = c.seconds
				}
				w.run(nil)
				return w
			}
			all, w := run(agents+warm), run(40)
			most, sum := 0, 0
			for _, v := range w.visits {
				most, sum = max(most, v.tries), sum+v.tries
			}
			t.Logf("%d tries at most, %.2f on average; %s, and %s if all wait", most, float64(sum)/float64(agents+warm), w.clock, all.clock)
			require.LessOrEqual(t, most, 3)
			require.Greater(t, sum, agents+warm, "nobody was refused")
			require.LessOrEqual(t, w.clock, all.clock*6/5)
		})
	}
}
