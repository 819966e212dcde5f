package actors_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
)

// gate holds every step until it is told to let one through, or is opened for good.
type gate struct {
	steps  chan int // rows of the step that waits
	pass   chan struct{}
	opened chan struct{}
}

func newGate() *gate {
	return &gate{steps: make(chan int), pass: make(chan struct{}), opened: make(chan struct{})}
}

func (g *gate) beforeStep(rows []runtime.Row) error {
	select {
	case g.steps <- len(rows):
		select {
		case <-g.pass:
		case <-g.opened:
		}
	case <-g.opened:
	}
	return nil
}

// wait returns the rows of the step that waits; pass lets it go.
func (g *gate) wait() int { return <-g.steps }
func (g *gate) let()      { g.pass <- struct{}{} }
func (g *gate) open()     { close(g.opened) }

func TestTheBatchFormsHoweverAgentsArrive(t *testing.T) {
	const agents, tokens = 8, 200
	g := newGate()
	// A block holds a whole request: with steps of no cost, a row that waits for its next block would miss some.
	s := start(t, enginetest.Options{Blocks: 16, BlockTokens: 256, BeforeStep: g.beforeStep}, actors.Config{MaxBatch: 16})
	var streams []*actors.Stream
	var want []string
	for n := range agents { // one arrives while each step is computed
		p := prompt(n, 5)
		want = append(want, spell(enginetest.Greedy(64, p, tokens)))
		streams = append(streams, generate(t, s, actors.Request{Prompt: p, MaxTokens: tokens}))
		g.wait()
		g.let()
	}
	early := agents // steps until all take part: the first to come has at most so many tokens then
	for g.wait() < agents {
		g.let()
		early++
	}
	g.open()
	for n, st := range streams {
		text, _, o := read(st)
		require.NoError(t, o.Err)
		require.Equal(t, want[n], text)
	}
	st := stats(t, s)
	require.GreaterOrEqual(t, st.RowsPerStep[agents], uint64(tokens-early), "from then on each step, until the first is done: %v", st.RowsPerStep)
	require.EqualValues(t, agents*tokens, st.Decoded+agents, "each token but the first of each agent is a decode")
	var sum uint64
	for _, n := range st.RowsPerStep {
		sum += n
	}
	require.Equal(t, st.Steps, sum)
}

func TestACancelDoesNotWaitForTheStep(t *testing.T) {
	g := newGate()
	s := start(t, enginetest.Options{BeforeStep: g.beforeStep}, actors.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	st, err := s.Generate(ctx, actors.Request{Agent: "a", Prompt: prompt(1, 20)})
	require.NoError(t, err)
	g.wait()
	require.Equal(t, 3, stats(t, s).Leased)
	cancel()
	_, _, o := read(st)
	require.ErrorIs(t, o.Err, context.Canceled)
	require.Zero(t, stats(t, s).Leased, "while the step is still computed")
	g.open()
}

func TestADeadlineIsACancel(t *testing.T) {
	s := start(t, enginetest.Options{Context: 1 << 20, Blocks: 1 << 16}, actors.Config{StreamBuffer: 1 << 20})
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	st, err := s.Generate(ctx, actors.Request{Prompt: prompt(1, 20)})
	if err != nil {
		require.ErrorIs(t, err, context.DeadlineExceeded)
		return
	}
	_, _, o := read(st)
	require.ErrorIs(t, o.Err, context.DeadlineExceeded)
}

func TestAClientThatLeftIsNotAdmitted(t *testing.T) {
	s := start(t, enginetest.Options{}, actors.Config{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Generate(ctx, actors.Request{Prompt: prompt(1, 20)})
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, stats(t, s).Admitted)
}

func TestAFullQueueRefuses(t *testing.T) {
	g := newGate()
	s := start(t, enginetest.Options{BeforeStep: g.beforeStep}, actors.Config{MaxBatch: 1, MaxQueue: 2})
	r := actors.Request{Prompt: prompt(1, 20), MaxTokens: 3}
	running := generate(t, s, r)
	g.wait()
	waiting, leaving := generate(t, s, r), generate(t, s, r)
	_, err := s.Generate(context.Background(), r)
	var busy *runtime.Error
	require.ErrorAs(t, err, &busy)
	require.Equal(t, runtime.Busy, busy.Kind)
	require.GreaterOrEqual(t, busy.RetryAfter, runtime.MinRetryAfter)
	require.Equal(t, 2, stats(t, s).Waiting)

	leaving.Cancel()
	_, _, o := read(leaving)
	require.ErrorIs(t, o.Err, context.Canceled)
	next := generate(t, s, r) // in its place
	g.open()
	for _, st := range []*actors.Stream{running, waiting, next} {
		_, _, o := read(st)
		require.NoError(t, o.Err)
	}
	require.EqualValues(t, 1, stats(t, s).Refused)
}

func TestASlowReaderIsCancelled(t *testing.T) {
	s := start(t, enginetest.Options{}, actors.Config{StreamBuffer: 4})
	slow := generate(t, s, actors.Request{Prompt: prompt(1, 20), MaxTokens: 50})
	other := generate(t, s, actors.Request{Prompt: prompt(2, 20), MaxTokens: 2})
	_, _, o := read(other)
	require.NoError(t, o.Err)
	require.NoError(t, s.Drain(context.Background()), "nobody has to read for the request to be over")
	text, _, o := read(slow)
	require.ErrorIs(t, o.Err, context.Canceled)
	require.ErrorContains(t, o.Err, "4 events behind")
	require.Len(t, text, 3, "what was in the buffer is still read: the start and three tokens")
}

func TestDrainLetsRequestsEnd(t *testing.T) {
	g := newGate()
	s := start(t, enginetest.Options{BeforeStep: g.beforeStep}, actors.Config{MaxBatch: 1})
	r := actors.Request{Prompt: prompt(1, 20), MaxTokens: 3}
	running, waiting := generate(t, s, r), generate(t, s, r)
	g.wait()
	drained := make(chan error, 1)
	go func() { drained <- s.Drain(context.Background()) }()
	require.Eventually(t, func() bool { return stats(t, s).Draining }, time.Minute, time.Millisecond)
	_, err := s.Generate(context.Background(), r)
	require.Equal(t, runtime.Draining, runtime.KindOf(err))
	g.open()
	for _, st := range []*actors.Stream{running, waiting} {
		_, _, o := read(st)
		require.NoError(t, o.Err)
	}
	require.NoError(t, <-drained)
}

func TestDrainCancelsWhatIsLeft(t *testing.T) {
	g := newGate()
	s := start(t, enginetest.Options{BeforeStep: g.beforeStep}, actors.Config{MaxBatch: 1})
	r := actors.Request{Prompt: prompt(1, 20)}
	running, waiting := generate(t, s, r), generate(t, s, r)
	g.wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, s.Drain(ctx), context.Canceled)
	for _, st := range []*actors.Stream{running, waiting} {
		_, _, o := read(st)
		require.Equal(t, runtime.Draining, runtime.KindOf(o.Err))
	}
	require.Zero(t, stats(t, s).Leased)
	g.open()
}

func TestCloseEndsEverything(t *testing.T) {
	s := start(t, enginetest.Options{Context: 1 << 20, Blocks: 1 << 16}, actors.Config{MaxBatch: 2, StreamBuffer: 1 << 20})
	r := actors.Request{Agent: "a", Prompt: prompt(1, 20)}
	streams := []*actors.Stream{generate(t, s, r), generate(t, s, r), generate(t, s, r)}
	require.NoError(t, s.Close())
	for _, st := range streams {
		_, _, o := read(st)
		require.Equal(t, runtime.Draining, runtime.KindOf(o.Err))
	}
	require.NoError(t, s.Close(), "closing again is fine")
	_, err := s.Generate(context.Background(), r)
	require.Equal(t, runtime.Draining, runtime.KindOf(err))
	_, err = s.Stats(context.Background())
	require.Equal(t, runtime.Draining, runtime.KindOf(err))
	require.NoError(t, s.Drain(context.Background()), "nothing is left to wait for")
}

// badClose is an engine that cannot be closed.
type badClose struct{ runtime.Engine }

func (badClose) Close() error { return errors.New("stuck") }

func TestCloseReportsTheEngine(t *testing.T) {
	s, err := actors.Start(actors.Config{Engine: badClose{enginetest.NewFake(enginetest.Options{})}, Model: &model.Model{}})
	require.NoError(t, err)
	require.EqualError(t, s.Close(), "closing the engine: stuck")
}

func TestOnlyTheCulpritFails(t *testing.T) {
	var failed atomic.Int32
	s := start(t, enginetest.Options{BeforeStep: func(rows []runtime.Row) error {
		for _, r := range rows {
			if r.Tokens[0] == 63 && len(r.Tokens) > 1 {
				failed.Add(1)
				if len(rows) > 1 {
					return errors.New("this one")
				}
				panic("this one")
			}
		}
		return nil
	}}, actors.Config{})
	var good []*actors.Stream
	for n := range 5 {
		good = append(good, generate(t, s, actors.Request{Prompt: prompt(n, 7), MaxTokens: 50}))
	}
	bad := generate(t, s, actors.Request{Prompt: append([]int32{63}, prompt(9, 7)...)})
	_, _, o := read(bad)
	require.Equal(t, runtime.Internal, runtime.KindOf(o.Err))
	for n, st := range good {
		text, _, o := read(st)
		require.NoError(t, o.Err)
		require.Equal(t, spell(enginetest.Greedy(64, prompt(n, 7), 50)), text)
	}
	require.Positive(t, failed.Load())
	require.Zero(t, stats(t, s).Leased)
}

func TestStartRefusesWhatCannotServe(t *testing.T) {
	engine, m := enginetest.NewFake(enginetest.Options{}), &model.Model{}
	for _, c := range []actors.Config{
		{Model: m}, {Engine: engine},
		{Engine: engine, Model: m, MaxBatch: -1}, {Engine: engine, Model: m, PrefillChunk: -1}, {Engine: engine, Model: m, StreamBuffer: -1},
		{Engine: enginetest.NewFake(enginetest.Options{Context: 1}), Model: m},
	} {
		_, err := actors.Start(c)
		require.Error(t, err, "%+v", c)
	}
}
