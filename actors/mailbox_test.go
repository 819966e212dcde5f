package actors

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/runtime/enginetest"
	"troupe/runtime/model"
)

func TestMessagesThatWaitAreCounted(t *testing.T) {
	entered, open := make(chan struct{}), make(chan struct{})
	s, err := Start(Config{Engine: enginetest.NewFake(enginetest.Options{}), Model: &model.Model{}, trace: func(_ string, message any) {
		if _, ok := message.(*cancelAll); ok {
			close(entered)
			<-open
		}
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	ctx, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()

	s.actors.Root.Send(s.pool, &cancelAll{})
	<-entered
	for id := range uint64(5) {
		s.actors.Root.Send(s.pool, &cancel{id: 1000 + id})
	}
	require.Equal(t, 5, s.mail.pool.waiting(), "the one that is handled does not wait")
	close(open)
	got, err := s.Stats(ctx)
	require.NoError(t, err)
	require.Zero(t, got.PoolMail)
	require.Zero(t, got.BatcherMail)
	require.Zero(t, (&mailbox{}).waiting())
}
