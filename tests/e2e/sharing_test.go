package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// TestTwentyAgentsShareOneBeginning sends twenty agents with the same long beginning at once. It is computed once, and everybody gets the tokens of a server
// that has it all to itself.
func TestTwentyAgentsShareOneBeginning(t *testing.T) {
	const n, block = 20, 32
	beginning := strings.Repeat("You are one of many. Be short, and keep to what you were told. ", 60)
	talks := make([]troupetest.Request, n)
	for i := range talks {
		talks[i] = troupetest.Request{MaxTokens: 16, Messages: []troupetest.Message{
			{Role: "system", Content: beginning}, {Role: "user", Content: fmt.Sprintf("The code word is %s-%d.", words[i%len(words)], 31+i)}}}
	}
	s := troupetest.Start(t)
	answers := everyone(t, s.URL, talks)
	s.Stop()
	require.Equal(t, n, savedAgents(t, s.Data))

	computed := 0
	for i, a := range answers {
		require.Greater(t, a.Usage.Prompt, 20*block, "agent %d: the beginning is too short for this test", i)
		computed += a.Usage.Prompt - a.Usage.Details.Cached
	}
	require.Less(t, computed, answers[0].Usage.Prompt+n*3*block, "tokens computed by all: the beginning once, and for each its own")

	// After a restart twenty others find the beginning on disk, where it is once.
	s = s.Again()
	others := everyoneFrom(t, s.URL, n, talks)
	s.Stop()
	require.Equal(t, 2*n, savedAgents(t, s.Data))
	computed = 0
	for i, a := range others {
		require.Equal(t, answers[i].Text, a.Text, "agent %d", i)
		computed += a.Usage.Prompt - a.Usage.Details.Cached
	}
	require.Less(t, computed, n*3*block, "tokens computed by all: for each its own")
	files, err := os.ReadDir(filepath.Join(s.Data, "blocks"))
	require.NoError(t, err)
	require.Less(t, len(files), answers[0].Usage.Prompt/block+2*n*3, "blocks on disk: the beginning once, and for each its own")

	for i := range 3 {
		alone := troupetest.Start(t)
		cold := everyoneFrom(t, alone.URL, i, talks[i:i+1])[0]
		require.Zero(t, cold.Usage.Details.Cached)
		require.Equal(t, cold.Text, answers[i].Text, "agent %d", i)
		alone.Stop()
	}
}

// TestAnAgentInThePoolBeginsWithWhatAnotherSaved has an agent that knows something of its own go on with the beginning of another, which is on disk only.
func TestAnAgentInThePoolBeginsWithWhatAnotherSaved(t *testing.T) {
	const block = 32
	beginning := strings.Repeat("You are one of many. Be short, and keep to what you were told. ", 60)
	talk := troupetest.Request{MaxTokens: 16, Messages: []troupetest.Message{
		{Role: "system", Content: beginning}, {Role: "user", Content: "The code word is ZEBRA-31."}}}
	s := troupetest.Start(t)
	first := everyone(t, s.URL, []troupetest.Request{talk})[0]
	require.Zero(t, first.Usage.Details.Cached)
	s.Stop()

	s = s.Again()
	own := everyoneFrom(t, s.URL, 1, []troupetest.Request{{MaxTokens: 16, Messages: troupetest.User("The code word is WALRUS-40.")}})[0]
	require.Less(t, own.Usage.Details.Cached, block)
	other := everyoneFrom(t, s.URL, 1, []troupetest.Request{talk})[0]
	require.Greater(t, other.Usage.Details.Cached, other.Usage.Prompt-2*block, "what the first agent saved is read, not computed")
	require.Equal(t, first.Text, other.Text)
	s.Stop()
}

// TestPausedAgentsGoOn lets more agents speak than the pool can hold to their ends: some are paused to disk, and all say what they would have said alone.
func TestPausedAgentsGoOn(t *testing.T) {
	const n = 6
	talks := make([]troupetest.Request, n)
	for i := range talks {
		talks[i] = troupetest.Request{
			MaxTokens: 200, IgnoreEOS: true,
			Messages: troupetest.User(fmt.Sprintf("Tell me about %s number %d.", strings.ToLower(words[i]), i)),
		}
	}
	s := troupetest.Start(t, "--kv-memory", "1MiB") // 512 tokens for 6 × 200 and more
	answers := everyone(t, s.URL, talks)
	metrics := string(call(t, "GET", s.URL+"/metrics", nil, http.StatusOK))
	s.Stop()
	require.Regexp(t, `(?m)^vllm:num_preemptions_total\{.*\} [1-9]`, metrics, "nobody was paused: the pool is too large for this test")
	roomy := troupetest.Start(t)
	for i, cold := range everyone(t, roomy.URL, talks) {
		require.Equal(t, cold.Text, answers[i].Text, "agent %d", i)
		require.Equal(t, 200, answers[i].Usage.Completion)
	}
	roomy.Stop()
}
