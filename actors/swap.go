package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"troupe/runtime"
)

// Wish is what an administrator wants of a [Host].
type Wish struct {
	Model string        // a name of the catalogue
	Drain time.Duration // how long running requests may go on before they are stopped; what they know is kept
	Queue bool          // requests that come meanwhile wait, as long as they are not too many, instead of being refused
	Force bool          // go on although agents could not be saved; what they know is lost then
}

// errCancelled is the cause of a change that somebody did not want any more.
var errCancelled = errors.New("cancelled")

// Swap replaces the model, or loads one if none is in memory. It returns when that is done, or has failed and the old model is served as before, with its
// agents' caches. The error says why and is of kind Conflict if another change runs, or if this one was cancelled; Draining if the server stops; Unknown or
// Invalid if the model is not there or cannot be served; Internal if agents could not be saved. The end of ctx is a cancel.
//
// If there is memory for both, the new model is loaded while the old one serves. Otherwise the old one is closed before.
func (h *Host) Swap(ctx context.Context, w Wish) (Change, error) {
	return h.run(ctx, w, false, func(c *change) error { return h.swap(c, w) })
}

// Load loads a model if none is in memory; without a name, the one that was there last. Otherwise it is Swap.
func (h *Host) Load(ctx context.Context, w Wish) (Change, error) {
	h.mu.Lock()
	if w.Model == "" && h.last != nil {
		w.Model = h.last.Name
	}
	h.mu.Unlock()
	return h.run(ctx, w, false, func(c *change) error {
		if old := h.inMemory(); old != nil {
			return runtime.Errorf(runtime.Conflict, "%s is in memory: swap it", old.source.Name)
		}
		return h.swap(c, w)
	})
}

// Offload takes the model out of memory, as Swap does with the old one.
func (h *Host) Offload(ctx context.Context, w Wish) (Change, error) {
	w.Model = ""
	return h.run(ctx, w, false, func(c *change) error {
		old := h.inMemory()
		if old == nil {
			return runtime.Errorf(runtime.Conflict, "no model is in memory")
		}
		if err := h.leave(c, old, w); err != nil {
			return err
		}
		h.closeOld(c, old)
		h.open(func() { h.failed = "" })
		return nil
	})
}

// Cancel ends the change that runs and waits until the old model serves again. The error is of kind Conflict if none runs.
func (h *Host) Cancel(ctx context.Context) error {
	h.mu.Lock()
	c := h.change
	h.mu.Unlock()
	if c == nil {
		return runtime.Errorf(runtime.Conflict, "no swap runs")
	}
	c.cancel(errCancelled)
	select {
	case <-c.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run makes a change, if no other one runs.
func (h *Host) run(ctx context.Context, w Wish, first bool, do func(*change) error) (Change, error) {
	c, err := h.begin(ctx, w)
	if err != nil {
		return Change{}, err
	}
	err = do(c)
	if err != nil && c.ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", errCancelled, context.Cause(c.ctx))
	}
	c.cancel(nil)
	h.mu.Lock()
	defer h.mu.Unlock()
	c.Took, c.Err, c.Phase = h.now().Sub(c.Began), err, ""
	h.change, h.outcome = nil, nil
	defer close(c.over)
	if first {
		return c.Change, err
	}
	c.Err = h.explain(c.Model, err)
	outcome := c.Change
	h.outcome = &outcome
	h.counts[outcome.Result()]++
	args := []any{"model", c.Model, "result", outcome.Result(), "took", c.Took, "gap", c.Gap, "stopped", c.Stopped, "beside", c.Beside}
	if err != nil {
		args = append(args, "error", err)
	}
	h.log.Info("swap ended", args...)
	return outcome, c.Err
}

func (h *Host) begin(ctx context.Context, w Wish) (*change, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.life.Err() != nil {
		return nil, errDraining()
	}
	if o := h.change; o != nil {
		what := "a swap to " + o.Model
		if o.Model == "" {
			what = "an offload"
		}
		return nil, runtime.Errorf(runtime.Conflict, "%s runs already", what)
	}
	c := &change{Change: Change{Model: w.Model, Phase: phaseChecking, Began: h.now()}, over: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	h.change = c
	return c, nil
}

// explain makes of the error of a change what an administrator is told. mu is held.
func (h *Host) explain(name string, err error) error {
	if err == nil {
		return nil
	}
	now := "no model is in memory now"
	if h.served != nil {
		now = h.served.source.Name + " is served as before"
	}
	why := strings.ReplaceAll(err.Error(), "\n", "; ")
	e := &runtime.Error{Kind: runtime.Invalid, Err: err}
	switch known := (*runtime.Error)(nil); {
	case errors.Is(err, errCancelled):
		e.Kind, e.Message = runtime.Conflict, "it was cancelled; "+now
	case errors.As(err, &known) && known.Kind == runtime.Conflict:
		return err
	case errors.As(err, &known):
		e.Kind, e.Message, e.Param = known.Kind, why+"; "+now, known.Param
	default:
		e.Message = fmt.Sprintf("%s cannot be served: %s; %s", name, why, now)
	}
	return e
}

// enter notes the phase of a change.
func (h *Host) enter(c *change, phase string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.Phase = phase
}

func (h *Host) inMemory() *served {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.served
}

func (h *Host) swap(c *change, w Wish) error {
	source, err := h.catalogue.Open(w.Model)
	if err != nil {
		return err
	}
	return h.replace(c, source, w)
}

// replace loads a model and puts it in the place of the old one, if there is one. After an error the old one is served again, if that is possible.
func (h *Host) replace(c *change, source *Source, w Wish) (err error) {
	old := h.inMemory()
	c.Beside = old != nil && source.fitsBeside(old.source)
	if old == nil {
		h.shut(c, w, 0)
		defer h.open(nil) // if it is not open yet
	}
	var cfg Config
	if c.Beside || old == nil {
		if cfg, err = h.load(c, source); err != nil {
			return err // and nothing was touched
		}
	}
	if old != nil {
		if err := h.leave(c, old, w); err != nil {
			return errors.Join(err, closeEngine(cfg))
		}
		if !c.Beside {
			h.closeOld(c, old)
			if cfg, err = h.load(c, source); err != nil {
				return errors.Join(err, h.restore(c, old.source))
			}
		}
	}
	system, err := Start(cfg)
	switch {
	case err == nil:
	case c.Beside:
		old.system.reopen()
		h.open(nil)
		return errors.Join(err, closeEngine(cfg))
	case old != nil:
		return errors.Join(err, closeEngine(cfg), h.restore(c, old.source))
	default:
		return errors.Join(err, closeEngine(cfg))
	}
	if !c.Beside {
		h.install(system, source)
		return nil
	}
	counted := old.counted()
	h.open(func() {
		h.count(old, counted)
		h.put(system, source)
	})
	h.enter(c, phaseClosing)
	h.close(old)
	return nil
}

func (h *Host) load(c *change, source *Source) (Config, error) {
	h.enter(c, phaseLoading)
	began := h.now()
	cfg, err := source.load(c.ctx, h.log)
	if err == nil && c.ctx.Err() != nil {
		return Config{}, errors.Join(c.ctx.Err(), closeEngine(cfg))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loading = h.now().Sub(began)
	return cfg, err
}

func closeEngine(cfg Config) error {
	if cfg.Engine == nil {
		return nil
	}
	return cfg.Engine.Close()
}

// restore loads the old model again after it was closed in vain. It is not part of what can be cancelled, but by the end of the server.
func (h *Host) restore(c *change, source *Source) error {
	h.enter(c, phaseLoading)
	err := h.life.Err()
	var cfg Config
	if err == nil {
		cfg, err = source.load(h.life, h.log)
	}
	var system *System
	if err == nil {
		if system, err = Start(cfg); err != nil {
			err = errors.Join(err, closeEngine(cfg))
		}
	}
	if err != nil {
		err = fmt.Errorf("%s could not be loaded again: %w", source.Name, err)
		h.open(func() { h.failed = err.Error() })
		return err
	}
	h.install(system, source)
	return nil
}

// leave makes requests stop before the gate, lets those that run finish, and has all agents saved. After an error the old model takes requests again.
func (h *Host) leave(c *change, old *served, w Wish) error {
	before, _ := old.system.Stats(c.ctx)
	h.shut(c, w, w.Drain)
	h.enter(c, phaseDraining)
	h.mu.Lock()
	refuse := h.swapping()
	h.mu.Unlock()
	old.system.replaced.Store(refuse)
	done := old.system.startDrain(refuse)
	timer := time.NewTimer(w.Drain)
	defer timer.Stop()
	select {
	case <-done:
	case <-old.system.stopped:
	case <-c.ctx.Done():
	case <-timer.C:
		if s, err := old.system.Stats(c.ctx); err == nil {
			h.mu.Lock()
			c.Stopped = s.Running + s.Waiting
			h.mu.Unlock()
		}
		old.system.cutOff(done, errStopped())
	}
	err := c.ctx.Err()
	if err == nil && !w.Force {
		var after Stats
		if after, err = old.system.Stats(c.ctx); err == nil && after.StoreErrors > before.StoreErrors {
			err = runtime.Errorf(runtime.Internal, "agents could not be saved, and the log says why")
		}
	}
	if err != nil {
		old.system.replaced.Store(nil)
		old.system.reopen()
		h.open(nil)
	}
	return err
}

// errStopped ends requests that did not finish in time. What they know is kept.
func errStopped() error {
	return &runtime.Error{Kind: runtime.Swapping, RetryAfter: 5 * time.Second,
		Message: "the model is being replaced and this answer was stopped; what was said so far is kept, for when the model is back"}
}

// shut closes the gate. The drain takes so long at most.
func (h *Host) shut(c *change, w Wish, drain time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.now()
	h.gate = &gate{opened: make(chan struct{}), queue: w.Queue, since: now, until: now.Add(drain)}
	if !c.Beside && w.Model != "" {
		h.gate.then = h.loading
	}
}

// open opens the gate, after a change that is made in the same moment.
func (h *Host) open(change func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if change != nil {
		change()
	}
	if h.gate == nil {
		return
	}
	h.change.Gap = h.now().Sub(h.gate.since)
	close(h.gate.opened)
	h.gate = nil
}

// install serves a model where there was none.
func (h *Host) install(system *System, source *Source) { h.open(func() { h.put(system, source) }) }

// put makes a system the one that serves. mu is held.
func (h *Host) put(system *System, source *Source) {
	h.served, h.last, h.shown, h.failed = &served{system, source}, source, system.Model, ""
}

// closeOld closes the system that serves; none does then.
func (h *Host) closeOld(c *change, old *served) {
	h.enter(c, phaseClosing)
	counted := old.counted()
	h.mu.Lock()
	h.count(old, counted)
	h.served = nil
	h.mu.Unlock()
	h.close(old)
}

// close closes a system that nobody asks for any more.
func (h *Host) close(old *served) {
	if err := old.system.Close(); err != nil {
		h.log.Error("the model that was replaced could not be closed", slog.String("model", old.source.Name), slog.Any("error", err))
	}
}

// counted returns what a system that has drained has counted.
func (s *served) counted() (n counted) {
	n.stats, _ = s.system.Stats(context.Background())
	n.cache, _ = s.system.Cache(context.Background())
	return n
}

type counted struct {
	stats Stats
	cache CacheInfo
}

// count adds what a system counted to what others did before. mu is held.
func (h *Host) count(old *served, n counted) {
	sum := &Stats{}
	if id := old.system.Model.ID; h.past[id] != nil {
		*sum = *h.past[id]
		sum.RowsPerStep = slices.Clone(sum.RowsPerStep)
	}
	sum.addCounters(&n.stats)
	h.past[old.system.Model.ID] = sum
	h.pastCache.addCounters(&n.cache)
}
