package actors_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime/enginetest"
)

// TestStalled has an engine hang for an hour of a clock that stands still otherwise, after an hour of nothing to do.
func TestStalled(t *testing.T) {
	var hours atomic.Int64
	g := newGate()
	s := start(t, enginetest.Options{Blocks: 16, BeforeStep: g.beforeStep}, actors.Config{
		MaxBatch: 1, Now: func() time.Time { return time.Unix(3600*hours.Load(), 0) },
	})
	require.Zero(t, stats(t, s).Stalled)
	hours.Add(1)
	require.Zero(t, stats(t, s).Stalled, "nothing to do")

	first := generate(t, s, actors.Request{Prompt: prompt(1, 5), MaxTokens: 2})
	second := generate(t, s, actors.Request{Prompt: prompt(2, 5), MaxTokens: 2}) // waits
	g.wait()
	require.Zero(t, stats(t, s).Stalled)
	hours.Add(1)
	require.Equal(t, time.Hour, stats(t, s).Stalled)
	g.let()
	g.wait() // the report of the first step is on its way before the second begins
	require.Zero(t, stats(t, s).Stalled, "a step has ended")
	hours.Add(1)
	require.Equal(t, time.Hour, stats(t, s).Stalled)
	g.open()
	read(first)
	read(second)
	hours.Add(1)
	require.Zero(t, stats(t, s).Stalled, "nothing to do again")
}
