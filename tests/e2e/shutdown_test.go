package e2e

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// TestShutdownUnderFiftyStreams stops a server in the middle of fifty answers that would go on for long. Every client is told that its answer is not whole,
// every agent is on disk, and the next server goes on from what they had computed.
func TestShutdownUnderFiftyStreams(t *testing.T) {
	const n = 50
	s := troupetest.Start(t, "--drain", "50ms")
	request := func(i int) troupetest.Request {
		text := fmt.Sprintf("Tell number %d a story. %s", i, strings.Repeat("It must be long. ", 8))
		return troupetest.Request{Messages: troupetest.User(text), MaxTokens: 8000, IgnoreEOS: true, Stream: true}
	}
	type end struct {
		i      int
		answer troupetest.Answer
		err    error
	}
	begun, ends := make(chan error, n), make(chan end, n)
	for i := range n {
		go func() {
			stream, err := troupetest.Open(t.Context(), s.URL, fmt.Sprintf("agent-%d", i), request(i))
			if err == nil {
				defer stream.Close()
				err = stream.Until("")
			}
			begun <- err
			if err != nil {
				return
			}
			answer, err := stream.Rest()
			ends <- end{i, answer, err}
		}()
	}
	for range n {
		require.NoError(t, <-begun)
	}
	s.Signal(syscall.SIGTERM)
	for range n {
		e := <-ends
		require.Equal(t, "the server is shutting down", e.answer.Refusal, "stream %d: %v", e.i, e.err)
		require.Empty(t, e.answer.Finish)
	}
	require.Equal(t, 0, s.Wait(), s.Log())
	require.Equal(t, n, savedAgents(t, s.Data))

	s = s.Again()
	for i := range n {
		r := request(i)
		r.MaxTokens, r.Stream = 1, false
		a := troupetest.MustChat(t, s.URL, fmt.Sprintf("agent-%d", i), r)
		require.Equal(t, a.Usage.Prompt-1, a.Usage.Details.Cached, "agent %d: all but the token that must be computed", i)
	}
	s.Stop()
}
