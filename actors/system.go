package actors

import (
	"context"
	"fmt"
	"log/slog"
	gort "runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// System is the running house. Its methods may be called from any goroutine.
type System struct {
	*house
	actors *actor.ActorSystem
	loop   *engineLoop
	desk   *desk       // of the keeper
	own    *dispatcher // the dispatcher, if it is ours to close
	pool   *actor.PID
	ids    atomic.Uint64
	mail   mailboxes

	replaced atomic.Pointer[runtime.Error] // what to say to whoever comes after the end; nil: errClosed

	stopped chan struct{} // closed when the pool and all its children have stopped
	close   func() error
}

// Start starts the actors and the engine loop. Once it has succeeded, the engine belongs to the system, and Close must be called.
func Start(cfg Config) (*System, error) {
	if err := cfg.prepare(); err != nil {
		return nil, err
	}
	s := &System{stopped: make(chan struct{})}
	if cfg.Dispatcher == nil {
		s.own = newDispatcher(4 * gort.GOMAXPROCS(0))
		cfg.Dispatcher = s.own
	}
	s.house = newHouse(cfg)
	s.close = sync.OnceValue(s.shutdown)
	// protoactor logs every restart and dead letter; what matters of that we log ourselves. Its throttle of that log has a goroutine that outlives
	// the system by the interval.
	s.actors = actor.NewActorSystem(
		actor.WithLoggerFactory(func(*actor.ActorSystem) *slog.Logger { return slog.New(slog.DiscardHandler) }),
		actor.WithDeadLetterThrottleInterval(time.Nanosecond))
	s.loop = startEngineLoop(s.house, s.actors.Root)
	s.desk = newDesk(s.house, s.actors.Root, s.loop)
	s.pool = s.actors.Root.Spawn(actor.PropsFromProducer(func() actor.Actor { return newPool(s) }, actor.WithDispatcher(cfg.Dispatcher), s.mail.pool.option()))
	return s, nil
}

// Generate admits a request, at once or after a wait in the queue, or refuses it with a *runtime.Error before anything is generated: Invalid or TooLarge
// if it can never be served, Busy with RetryAfter, Draining. ctx bounds the whole life of the request: when it ends the request is cancelled and its
// blocks are free within one step.
func (s *System) Generate(ctx context.Context, r Request) (*Stream, error) {
	if err := s.validate(r); err != nil {
		return nil, err
	}
	if r.Agent != "" {
		r.Owner, _ = runtime.SplitAgent(r.Agent)
	}
	id := s.ids.Add(1)
	keys := runtime.Chain(s.info.Tag, r.Owner, s.info.BlockTokens, r.Prompt, nil)
	stop := func(err error) { s.actors.Root.Send(s.pool, &cancel{id: id, err: err}) }
	st := &Stream{events: make(chan Event, s.StreamBuffer), stop: stop}
	st.release = context.AfterFunc(ctx, func() { stop(ctx.Err()) })
	reply := make(chan error, 1)
	s.actors.Root.Send(s.pool, &generate{id: id, ctx: ctx, request: r, keys: keys, stream: st, reply: reply})
	err, ok := await(s, ctx.Done(), reply)
	switch {
	case !ok && ctx.Err() != nil:
		return nil, ctx.Err() // the pool hears of it too, and drops the request
	case !ok:
		err = s.closedErr()
	}
	if err != nil {
		st.release()
		return nil, err
	}
	return st, nil
}

// validate refuses what could never be served.
func (s *System) validate(r Request) error {
	if err := s.limits.CheckPrompt(len(r.Prompt)); err != nil {
		return err
	}
	for i, t := range r.Prompt {
		if t < 0 || int(t) >= s.info.Vocab {
			return runtime.InvalidParam("messages", "token %d of the prompt is %d, and the vocabulary of the model ends at %d", i, t, s.info.Vocab-1)
		}
	}
	if r.MaxTokens < 0 {
		return runtime.InvalidParam("max_tokens", "max_tokens must not be negative, and is %d", r.MaxTokens)
	}
	if _, err := runtime.NewStopMatcher(r.Stops); err != nil {
		return err
	}
	return r.Sampling.Validate(s.info.Vocab)
}

// Stats returns the numbers of this moment.
func (s *System) Stats(ctx context.Context) (Stats, error) {
	return query(ctx, s, func(reply chan<- Stats) any { return &statsRequest{reply: reply} })
}

// Drain refuses new requests from now on, waits for those that wait or run, and for the store to have all that agents know. When ctx ends first, it
// cancels what is left, waits until that is over, and returns ctx's error.
func (s *System) Drain(ctx context.Context) error {
	done := s.startDrain(errDraining())
	if s.awaitDone(ctx.Done(), done) || ctx.Err() == nil { // or everything has stopped
		return nil
	}
	s.cutOff(done, errDraining())
	return fmt.Errorf("draining: requests had to be cancelled: %w", ctx.Err())
}

// startDrain refuses new requests with err from now on. The channel is closed when the last one is over and saved.
func (s *System) startDrain(err error) (done <-chan struct{}) {
	over := make(chan struct{})
	s.actors.Root.Send(s.pool, &drain{err: err, done: over})
	return over
}

// cutOff ends what a drain still waits for, and waits until that is over. Its history is kept if err is of a kind for which that is so.
func (s *System) cutOff(done <-chan struct{}, err error) {
	s.actors.Root.Send(s.pool, &cancelAll{err: err})
	s.awaitDone(nil, done)
}

// reopen takes new requests again after startDrain.
func (s *System) reopen() { s.actors.Root.Send(s.pool, &reopen{}) }

// Close saves what agents know and stops everything: what still runs fails, and the engine is closed after the step in flight. It may be called more than
// once.
func (s *System) Close() error { return s.close() }

func (s *System) shutdown() error {
	if s.Store != nil {
		saved := make(chan struct{})
		s.actors.Root.Send(s.pool, &flush{err: s.closedErr(), done: saved})
		s.awaitDone(nil, saved)
	}
	s.actors.Root.Stop(s.pool)
	s.awaitDone(nil, nil)
	s.desk.open.Wait()
	err := s.loop.close()
	s.actors.Shutdown()
	if s.own != nil {
		s.own.close()
	}
	return err
}

// await waits for the answer to a message, for the end of the caller's patience, or for that of the system; ok only for the answer. A pump is run
// meanwhile.
func await[T any](s *System, giveUp <-chan struct{}, reply <-chan T) (v T, ok bool) {
	if pump, yes := s.Dispatcher.(Pump); yes {
		for len(reply) == 0 && pump.RunOne() {
		}
	}
	select {
	case v = <-reply:
		return v, true
	default:
	}
	select {
	case v = <-reply:
		return v, true
	case <-giveUp:
	case <-s.stopped:
	}
	return v, false
}

// awaitDone is await for a channel that is closed instead of answered; nil waits for the end of the system.
func (s *System) awaitDone(giveUp, done <-chan struct{}) bool {
	if pump, yes := s.Dispatcher.(Pump); yes {
		for !isClosed(done) && !isClosed(s.stopped) && !isClosed(giveUp) && pump.RunOne() {
		}
	}
	select {
	case <-done:
		return true
	case <-giveUp:
	case <-s.stopped:
	}
	return false
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// closedErr is what those are told who come after the end.
func (s *System) closedErr() error {
	if err := s.replaced.Load(); err != nil {
		return err
	}
	return errClosed()
}

func errClosed() error {
	return &runtime.Error{Kind: runtime.Draining, Message: "the server was stopped", RetryAfter: 5 * time.Second}
}

func errDraining() error {
	return &runtime.Error{Kind: runtime.Draining, Message: "the server is shutting down", RetryAfter: 5 * time.Second}
}
