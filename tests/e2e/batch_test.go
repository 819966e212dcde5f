package e2e

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/tests/troupetest"
)

func stats(t *testing.T, s *troupetest.Stack) actors.Stats {
	t.Helper()
	now, err := s.System.Stats(t.Context())
	require.NoError(t, err)
	require.Equal(t, now.Blocks, now.Free+now.Leased+now.Cached)
	return now
}

// speak opens a stream that runs for a number of tokens, and returns once it has begun.
func speak(t *testing.T, ctx context.Context, s *troupetest.Stack, agent string, tokens int) *troupetest.Stream {
	t.Helper()
	stream, err := troupetest.Open(ctx, s.URL, agent, troupetest.Request{
		Messages: troupetest.User("Count from one to ten, " + agent + "."), MaxTokens: tokens, IgnoreEOS: true, Stream: true,
	})
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, stream.Status)
	require.NoError(t, stream.Until(""))
	return stream
}

func TestAgentsThatArriveOneAfterAnotherShareSteps(t *testing.T) {
	s := startStack(t)
	const agents, tokens = 8, 200
	var streams []*troupetest.Stream
	for i := range agents {
		streams = append(streams, speak(t, t.Context(), s, fmt.Sprintf("agent-%d", i), tokens))
	}
	for _, stream := range streams {
		answer, err := stream.Rest()
		require.NoError(t, err)
		require.Equal(t, tokens, answer.Usage.Completion)
		stream.Close()
	}
	now := stats(t, s)
	full := now.RowsPerStep[agents]
	require.Greater(t, full, uint64(tokens/2), "steps by their number of rows: %v", now.RowsPerStep[:agents+1])
	require.Less(t, now.Steps, uint64(agents*tokens/2), "far fewer steps than tokens")
}

func TestAClientThatLeavesFreesItsBlocks(t *testing.T) {
	s := startStack(t)
	before := stats(t, s)
	require.Equal(t, before.Blocks, before.Free)

	stay := speak(t, t.Context(), s, "stays", 600)
	defer stay.Close()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	left := speak(t, ctx, s, "leaves", 4000)
	defer left.Close()
	require.Equal(t, 2, stats(t, s).Running)

	leave()
	require.Eventually(t, func() bool { return stats(t, s).Running == 1 }, time.Minute, time.Millisecond, "the server notices")
	// The agent that left is idle now: what it had is cached for its next turn, not leased.
	require.Equal(t, 1, stats(t, s).IdleAgents)
	answer, err := stay.Rest()
	require.NoError(t, err)
	require.Equal(t, 600, answer.Usage.Completion, "the other one's stream is whole")

	require.Eventually(t, func() bool { return stats(t, s).Running == 0 }, time.Minute, time.Millisecond)
	after := stats(t, s)
	require.Zero(t, after.Leased)
	require.Zero(t, after.Waiting)
	require.Less(t, after.Cached*after.BlockTokens, 600+4000, "what was never generated holds no block")
}

func TestAnAnonymousClientThatLeavesHoldsNothing(t *testing.T) {
	s := startStack(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	stream := speak(t, ctx, s, "", 4000)
	defer stream.Close()
	require.Positive(t, stats(t, s).Leased)
	leave()
	require.Eventually(t, func() bool { now := stats(t, s); return now.Leased == 0 && now.IdleAgents == 0 }, time.Minute, time.Millisecond)
}
