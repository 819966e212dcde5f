package actors

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Nobody rests when no step runs, and whoever rests goes on when the steps are over.
func TestPacerRestsOnlyWhileStepsRun(t *testing.T) {
	var steps atomic.Bool
	p := newPacer(steps.Load)
	p.rest(time.Hour)
	worked := 0
	require.NoError(t, p.block(func() error { worked++; return nil }))
	steps.Store(true)
	require.ErrorIs(t, p.block(func() error { worked++; return errPacer }), errPacer)
	require.Equal(t, 2, worked)
	rested := make(chan struct{})
	go func() { p.rest(time.Hour); close(rested) }()
	steps.Store(false)
	<-rested
}

var errPacer = errClosed()

// While steps run no more threads work on blocks than have a turn.
func TestPacerGivesTurns(t *testing.T) {
	p := newPacer(func() bool { return true })
	var at, most atomic.Int64
	var all sync.WaitGroup
	for range 8 * cap(p.turns) {
		all.Go(func() {
			require.NoError(t, p.block(func() error {
				now := at.Add(1)
				for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
				}
				at.Add(-1)
				return nil
			}))
		})
	}
	all.Wait()
	require.LessOrEqual(t, most.Load(), int64(cap(p.turns)))
}
