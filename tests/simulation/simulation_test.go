package simulation

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	seeds = flag.Int("seeds", defaultSeeds, "how many worlds to simulate")
	seed  = flag.Int("seed", -1, "simulate this one alone")
)

func TestEveryAnswerIsWhatItWouldHaveBeenAlone(t *testing.T) {
	if *seed >= 0 {
		w := newWorld(t, uint64(*seed))
		w.run()
		t.Log(w.counts)
		return
	}
	const lanes = 4
	counts := make([]map[string]int, lanes)
	t.Run("worlds", func(t *testing.T) {
		for lane := range lanes {
			counts[lane] = map[string]int{}
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				for s := lane; s < *seeds; s += lanes {
					w := newWorld(t, uint64(s))
					w.run()
					for what, n := range w.counts {
						counts[lane][what] += n
					}
				}
			})
		}
	})
	total := map[string]int{}
	for _, c := range counts {
		for what, n := range c {
			total[what] += n
		}
	}
	for _, what := range slices.Sorted(maps.Keys(total)) {
		t.Logf("%7d %s", total[what], what)
	}
	// A simulation in which something never happens says nothing about it.
	for _, what := range []string{
		"agent panics", "answered: length", "answered: stop", "answered: string", "engine panics", "steps failed by a row", "steps failed for no reason",
		"blocks evicted", "deleted", "failed", "forgotten", "forked", "hibernated", "hibernated by order", "left", "listed", "pinned", "preempted", "refused", "restarts", "restored", "reused", "saved by order", "store errors", "too slow",
	} {
		require.Positive(t, total[what], what)
	}
}

func TestASeedReplays(t *testing.T) {
	distinct := map[uint64]bool{}
	for s := range 30 {
		one, two := newWorld(t, uint64(s)), newWorld(t, uint64(s))
		one.run()
		two.run()
		require.Equal(t, one.fingerprint(), two.fingerprint(), "seed %d", s)
		distinct[one.fingerprint()] = true
	}
	require.Len(t, distinct, 30, "every seed is another world")
}
