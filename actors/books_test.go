package actors

import (
	"context"
	"testing"
	"time"

	"github.com/asynkron/protoactor-go/actor"
	"github.com/stretchr/testify/require"

	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
)

func startPlain(t *testing.T, cfg Config) *System {
	t.Helper()
	cfg.Engine, cfg.Model = enginetest.NewFake(enginetest.Options{}), &model.Model{}
	cfg.Decoder = func() Decoder { return plain{} }
	s, err := Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

type plain struct{}

func (plain) Push(int32) string { return "x" }
func (plain) Flush() string     { return "" }

// Whatever makes the pool panic ends the process, or whoever stands in for that: a pool with wrong books must not go on.
func TestWrongBooksAreFatal(t *testing.T) {
	for name, break_ := range map[string]func(s *System, st *Stream){
		"blocks of nobody": func(s *System, _ *Stream) {
			s.actors.Root.Send(s.pool, &surplus{id: 99, blocks: []runtime.BlockID{1}})
		},
		"blocks given back twice": func(s *System, _ *Stream) {
			s.actors.Root.Send(s.pool, &surplus{id: 1, blocks: []runtime.BlockID{0, 0}})
		},
		"blocks that are not the request's": func(s *System, _ *Stream) {
			s.actors.Root.Send(s.pool, &surplus{id: 1, blocks: []runtime.BlockID{63}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			fatal := make(chan string, 10)
			block := make(chan struct{})
			s := startPlain(t, Config{Check: true, Fatal: func(reason string) {
				select {
				case fatal <- reason:
				default: // later ones follow from the first
				}
			}, trace: func(to string, message any) {
				if _, ok := message.(*lend); ok {
					<-block // the request stays where it is
				}
			}})
			st, err := s.Generate(context.Background(), Request{Prompt: []int32{1, 2, 3}, MaxTokens: 3})
			require.NoError(t, err)
			break_(s, st)
			require.Contains(t, <-fatal, "the pool supervisor failed")
			close(block)
		})
	}
}

func TestCheckFindsLostBlocks(t *testing.T) {
	s := startPlain(t, Config{})
	p := newPool(s)
	require.NotPanics(t, p.check)
	blocks, ok := p.ledger.Take(3)
	require.True(t, ok)
	require.Panics(t, p.check, "leased, and nobody holds them")
	p.tickets[1] = &ticket{blocks: blocks, state: over}
	require.NotPanics(t, p.check)
	p.ledger.Park(blocks[:1])
	require.Panics(t, p.check, "cached, and no agent is idle")
}

// An anonymous request leaves nothing behind, not even its actor.
func TestActorsEndWithTheirRequests(t *testing.T) {
	s := startPlain(t, Config{})
	processes := func() (n int) {
		for _, bucket := range s.actors.ProcessRegistry.LocalPIDs.LocalPIDs {
			n += bucket.Count()
		}
		return n
	}
	_, err := s.Stats(context.Background()) // the pool has started, and with it the batcher
	require.NoError(t, err)
	before := processes() + 1 // the agent with an id stays
	for range 50 {
		for _, agent := range []string{"", "alice"} {
			st, err := s.Generate(context.Background(), Request{Agent: agent, Prompt: []int32{1, 2, 3}, MaxTokens: 3})
			require.NoError(t, err)
			for range st.Events() {
			}
			require.NoError(t, st.Outcome().Err)
		}
	}
	require.Eventually(t, func() bool { return processes() <= before }, time.Minute, time.Millisecond, "poisoned actors end soon")
	require.Equal(t, before, processes())
}

// A request that others read a block of must not write to it.
func TestCheckFindsWritesToSharedBlocks(t *testing.T) {
	s := startPlain(t, Config{})
	p := newPool(s)
	blocks, _ := p.ledger.Take(2)
	p.tickets[1] = &ticket{blocks: blocks, state: running, length: 15}
	require.NotPanics(t, p.check)
	p.ledger.Lease(blocks[:1])
	p.tickets[2] = &ticket{blocks: blocks[:1], state: running, length: 16}
	require.Panics(t, p.check, "the second reads what the first has not filled yet")
	p.tickets[1].length = 16
	require.NotPanics(t, p.check)
	p.ledger.Publish(blocks[1], runtime.BlockKey{1})
	require.Panics(t, p.check, "published, and still written to")
}

func TestDispatcherNeverBlocks(t *testing.T) {
	d := newDispatcher(2)
	release, ran := make(chan struct{}), make(chan struct{})
	for range 10 { // more than there are workers, and all at once
		d.Schedule(func() { <-release; ran <- struct{}{} })
	}
	close(release)
	for range 10 {
		<-ran
	}
	d.close()
	go d.Schedule(func() { ran <- struct{}{} })
	<-ran
}

var _ actor.SupervisorStrategy = (*pool)(nil)
