package e2e

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// TestKillNineAtAnyMoment kills a server again and again while agents that do not fit into its pool are saved, let go and read. Whoever was told that it is
// saved is there each time, with the tokens of a server that knows nothing.
func TestKillNineAtAnyMoment(t *testing.T) {
	const n, rounds = 8, 25
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	codes, talks := codeWords(n)
	flags := []string{"--kv-memory", "1MiB", "--idle-save", "10ms"} // 512 tokens: a few agents
	s := troupetest.Start(t, flags...)
	told := make([]troupetest.Answer, n)
	for i := range told {
		told[i] = everyoneFrom(t, s.URL, i, talks[i:i+1])[0]
		call(t, "POST", fmt.Sprintf("%s/v1/agents/agent-%d/save", s.URL, i), nil, http.StatusOK)
	}
	s.Kill()

	questions := asked(talks, told)
	cold := coldAnswers(t, questions, told)
	check := func(i int) {
		answer := everyoneFrom(t, s.URL, i, questions[i:i+1])
		requireRecall(t, codes[i:i+1], told[i:i+1], answer, cold[i:i+1])
	}
	for round := range rounds {
		s = s.Again(flags...)
		check(round % n)
		var all sync.WaitGroup
		for i := range n {
			asks := []troupetest.Request{questions[i], {MaxTokens: 40, IgnoreEOS: true, Messages: troupetest.User(strings.Repeat("And then? ", 1+rng.IntN(20)))}}
			for k, r := range asks {
				id := fmt.Sprintf("agent-%d", i+k*n*(1+round))
				all.Go(func() { _, _ = troupetest.Chat(t.Context(), s.URL, id, r) }) // the server dies meanwhile
			}
		}
		time.Sleep(time.Duration(rng.IntN(250)) * time.Millisecond)
		s.Kill()
		all.Wait()
	}
	s = s.Again(flags...)
	for i := range n {
		check(i)
	}
	s.Stop()
	bad, err := os.ReadDir(filepath.Join(s.Data, "quarantine"))
	require.NoError(t, err)
	require.Empty(t, bad, "a kill leaves no damaged file under its final name")
}

// TestAnAgentMovesToAnotherServer exports agents with caches of each kind, and has another server go on with them: bit for bit what it would say itself.
func TestAnAgentMovesToAnotherServer(t *testing.T) {
	for _, bits := range []string{"16", "8", "4"} {
		t.Run(bits, func(t *testing.T) {
			flags := []string{"--kv-bits", bits}
			codes, talks := codeWords(2)
			from := troupetest.Start(t, flags...)
			told := everyone(t, from.URL, talks)
			questions := asked(talks, told)
			cold := coldAnswers(t, questions, told, flags...)
			to := troupetest.Start(t, flags...)
			for i := range talks {
				file := call(t, "GET", fmt.Sprintf("%s/v1/agents/agent-%d/export", from.URL, i), nil, http.StatusOK)
				call(t, "POST", fmt.Sprintf("%s/v1/agents/import?id=agent-%d", to.URL, i), file, http.StatusOK)
			}
			from.Stop()
			requireRecall(t, codes, told, everyone(t, to.URL, questions), cold)
			to.Stop()
		})
	}
}
