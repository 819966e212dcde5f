package actors_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/storetest"
)

// Whoever wants to hear of the save of what a request left hears of it once. What a later request left has taken its place if that came before.
func TestTheSaveOfARequestIsTold(t *testing.T) {
	var told []string
	var reports []actors.SaveReport
	tell := func(name string) func(actors.SaveReport) {
		return func(r actors.SaveReport) { told, reports = append(told, name), append(reports, r) }
	}
	s := start(t, enginetest.Options{Blocks: 40}, actors.Config{Store: storetest.NewFake(), IdleSave: -1})
	p := prompt(5, 100)
	say := func(agent, name string) {
		_, _, o := read(generate(t, s, actors.Request{Agent: agent, Prompt: p, MaxTokens: 9, Saved: tell(name)}))
		require.NoError(t, o.Err)
	}
	say("a", "first")
	say("a", "second")
	say("", "nobody's")
	require.NoError(t, s.Save(context.Background(), "a"))
	require.NoError(t, s.Save(context.Background(), "a"))
	require.Equal(t, []string{"second"}, told)
	p = prompt(6, 100)
	say("a", "third")
	require.NoError(t, s.Hibernate(context.Background(), "a"))
	p = prompt(7, 100)
	say("b", "fourth")
	require.NoError(t, s.Close())
	require.Equal(t, []string{"second", "third", "fourth"}, told)
	for _, r := range reports {
		require.NoError(t, r.Err)
		require.False(t, r.Began.IsZero())
		require.Positive(t, r.Bytes)
		require.GreaterOrEqual(t, r.Took, time.Duration(0))
	}
}

// A save that failed is told too, and the one that is done instead.
func TestAFailedSaveIsTold(t *testing.T) {
	var told []error
	store := &failsOnce{Fake: storetest.NewFake()}
	s := start(t, enginetest.Options{}, actors.Config{Store: store, IdleSave: -1})
	_, _, o := read(generate(t, s, actors.Request{Agent: "a", Prompt: prompt(5, 100), MaxTokens: 9, Saved: func(r actors.SaveReport) { told = append(told, r.Err) }}))
	require.NoError(t, o.Err)
	require.ErrorIs(t, s.Save(context.Background(), "a"), errFull)
	require.NoError(t, s.Save(context.Background(), "a"))
	require.NoError(t, s.Close())
	require.Len(t, told, 2)
	require.ErrorIs(t, told[0], errFull)
	require.NoError(t, told[1])
}

var errFull = errors.New("the disk is full")

// failsOnce fails on the first save.
type failsOnce struct {
	*storetest.Fake
	failed bool
}

func (s *failsOnce) Save(m runtime.Manifest, block func(int) ([]byte, error)) error {
	if !s.failed {
		s.failed = true
		return errFull
	}
	return s.Fake.Save(m, block)
}
