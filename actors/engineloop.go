package actors

import (
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// step is a batch on its way through the engine. It is immutable after it was submitted.
type step struct {
	parts  []part
	rows   []runtime.Row // for each part
	to     *actor.PID    // the batcher
	number uint64        // of the steps that were submitted; set by the loop
	took   time.Duration // set by the loop
}

// part is one row's share of a step.
type part struct {
	row    *row
	tokens int
}

// engineLoop is the one place that touches the engine: a goroutine of its own. Steps come in through a channel of capacity 1 and results go out with
// Send, so the batcher never waits for a step and can answer a recall at once. An engine that needs one OS thread for life brings it (mlx.Thread): a
// second locked thread here would only cost a hop between the two.
type engineLoop struct {
	engine runtime.Engine
	root   *actor.RootContext
	now    func() time.Time
	logger *slog.Logger
	pump   Pump // not nil: steps run there, and there is no goroutine
	in     chan *step
	exited chan error
	rested atomic.Int64 // when the last step was over, as Unix time in ns; math.MaxInt64 while there is one

	// inflight is the step that is being computed. It belongs to the batcher, and outlives a batcher that fails: the next one waits for its result.
	inflight *step
	steps    uint64 // how many were submitted; the batcher's too
}

func startEngineLoop(h *house, root *actor.RootContext) *engineLoop {
	e := &engineLoop{engine: h.Engine, root: root, now: h.Now, logger: h.Logger, in: make(chan *step, 1), exited: make(chan error, 1)}
	if pump, ok := h.Dispatcher.(Pump); ok {
		e.pump = pump
		return e
	}
	go e.run()
	return e
}

func (e *engineLoop) run() {
	for s := range e.in {
		e.compute(s)
	}
	e.exited <- e.engine.Close()
}

// submit hands a step over. Only the batcher calls it, and only when the step before came back.
func (e *engineLoop) submit(s *step) {
	if e.inflight != nil {
		panic("actors: two steps at once")
	}
	e.steps++
	s.number = e.steps
	e.inflight = s
	if e.pump != nil {
		e.pump.Schedule(func() { e.compute(s) })
		return
	}
	e.in <- s
}

// writing returns the number of the step in flight if it writes to a row's blocks, and 0 if there is none.
func (e *engineLoop) writing(r *row) uint64 {
	if e.inflight != nil {
		for _, p := range e.inflight.parts {
			if p.row == r {
				return e.inflight.number
			}
		}
	}
	return 0
}

// took takes a step's result; the engine is idle again.
func (e *engineLoop) took(s *step) {
	if e.inflight != s {
		panic("actors: a step came back that is not in flight")
	}
	e.inflight = nil
}

func (e *engineLoop) compute(s *step) {
	began := e.now()
	e.rested.Store(math.MaxInt64)
	results, err := e.guarded(s.rows)
	e.rested.Store(time.Now().UnixNano())
	s.took = e.now().Sub(began)
	if err == nil && len(results) != len(s.rows) {
		err = fmt.Errorf("the engine gave %d results for %d rows", len(results), len(s.rows))
	}
	e.root.Send(s.to, &stepped{step: s, results: results, err: err})
}

// guarded makes a panic in the engine an error of the step.
func (e *engineLoop) guarded(rows []runtime.Row) (results []runtime.Result, err error) {
	defer func() {
		if r := recover(); r != nil {
			e.logger.Error("the engine panicked", slog.Any("reason", r), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("the engine panicked: %v", r)
		}
	}()
	return e.engine.Step(rows)
}

// busy reports whether steps run: there is one, or there was one a moment ago and the next is being composed. It may be called from any goroutine.
func (e *engineLoop) busy() bool {
	const moment = 5 * time.Millisecond
	return time.Now().UnixNano()-e.rested.Load() < int64(moment)
}

// close waits for the step in flight and closes the engine. Nothing may be submitted afterwards.
func (e *engineLoop) close() error {
	if e.pump != nil {
		return wrapClose(e.engine.Close())
	}
	close(e.in)
	return wrapClose(<-e.exited)
}

func wrapClose(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("closing the engine: %w", err)
}
