package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// TestKillNineInASwap kills the server at random moments of swaps while agents speak. The next one serves; what was saved is there, of those who spoke too if
// the swap was done.
func TestKillNineInASwap(t *testing.T) {
	const rounds, speakers, longest = 16, 4, 400 * time.Millisecond
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	models := twins(t)
	flags := func() []string {
		memory := memories["beside"]
		if rng.IntN(2) == 0 {
			memory = memories["one at a time"]
		}
		return append([]string{"--models", models, "--admin-key", swapKey, "--idle-save", "1h"}, memory...)
	}
	codes, talks := codeWords(2)
	s := troupetest.Start(t, flags()...)
	told := everyone(t, s.URL, talks)
	for i := range told {
		call(t, http.MethodPost, fmt.Sprintf("%s/v1/agents/agent-%d/save", s.URL, i), nil, http.StatusOK)
	}
	questions := asked(talks, told)
	cold := coldAnswers(t, questions, told)

	done := 0
	for round := range rounds {
		var all sync.WaitGroup
		name := func(i int) string { return fmt.Sprintf("speaker-%d-%d", round, i) }
		for i := range speakers {
			stream, err := troupetest.Open(t.Context(), s.URL, name(i), longStory(i))
			require.NoError(t, err)
			require.NoError(t, stream.Until(""))
			all.Go(func() {
				defer stream.Close()
				_, _ = stream.Rest() // the server dies meanwhile
			})
		}
		status := 0
		drain, after := 0.05*float64(rng.IntN(2)), time.Duration(rng.Int64N(int64(longest)))
		all.Go(func() {
			status, _, _ = admin(s, http.MethodPost, "/admin/models/swap", fmt.Sprintf(`{"model":"twin","drain":%g}`, drain)) // it may not live to answer
		})
		time.Sleep(after)
		s.Kill()
		all.Wait()
		s = s.Again(flags()...)
		require.Equal(t, "starter", served(t, s))
		requireRecall(t, codes, told, everyone(t, s.URL, questions), cold)
		if status == http.StatusOK {
			done++
			for i := range speakers {
				r := longStory(i)
				r.MaxTokens, r.Stream = 1, false
				a := troupetest.MustChat(t, s.URL, name(i), r)
				require.Equal(t, a.Usage.Prompt-1, a.Usage.Details.Cached, "round %d, killed after %s", round, after)
			}
		}
	}
	t.Logf("%d of %d swaps were done before the kill", done, rounds)
	_, text, err := admin(s, http.MethodGet, "/admin/models", "")
	require.NoError(t, err)
	var now struct{ State string }
	require.NoError(t, json.Unmarshal([]byte(text), &now))
	require.Equal(t, "ready", now.State)
	s.Stop()
	bad, err := os.ReadDir(filepath.Join(s.Data, "quarantine"))
	require.NoError(t, err)
	require.Empty(t, bad, "a kill leaves no damaged file under its final name")
}
