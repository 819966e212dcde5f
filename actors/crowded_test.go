package actors_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
)

// However many requests an agent sends, it takes half of the queue: others are not refused because of it.
func TestAnAgentTakesHalfOfTheQueue(t *testing.T) {
	g := newGate()
	s := start(t, enginetest.Options{Blocks: 400, BeforeStep: g.beforeStep}, actors.Config{MaxBatch: 2, MaxQueue: 8, Check: true})
	var streams []*actors.Stream
	refused := 0
	send := func(agent string, n int) {
		st, err := s.Generate(context.Background(), actors.Request{Agent: agent, Prompt: prompt(n, 30), MaxTokens: 4})
		if err == nil {
			streams = append(streams, st)
			return
		}
		var busy *runtime.Error
		require.True(t, errors.As(err, &busy) && busy.Kind == runtime.Busy, "%v", err)
		require.GreaterOrEqual(t, busy.RetryAfter, runtime.MinRetryAfter)
		refused++
	}
	for n := range 50 {
		send("crowd", n)
	}
	require.Equal(t, 50-2-4, refused)
	for n := range 4 {
		send(fmt.Sprint("agent ", n), 100+n)
	}
	require.Equal(t, 50-2-4, refused, "there is room for others")
	send("one more", 200)
	require.Equal(t, 50-2-4+1, refused)
	g.wait()
	g.open()
	for _, st := range streams {
		_, _, o := read(st)
		require.NoError(t, o.Err)
	}
	require.Zero(t, stats(t, s).Leased)
}
