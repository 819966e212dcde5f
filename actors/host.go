package actors

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"troupe/runtime"
	"troupe/runtime/model"
)

// State says whether a [Host] takes requests.
type State string

// The states.
const (
	Ready     State = "ready"     // a model is served, perhaps while another one is loaded beside it
	Swapping  State = "swapping"  // requests are refused or wait, until another model, or again the same one, is ready
	Offloaded State = "offloaded" // no model is in memory
)

// Phases of a change, in the order in which they come, but that a model that does not fit beside the other is loaded after it was closed.
const (
	phaseChecking = "checking"
	phaseLoading  = "loading"
	phaseDraining = "draining"
	phaseClosing  = "closing"
)

// maxQueued is how many requests may wait for the end of a swap. More are refused.
const maxQueued = DefaultMaxQueue

// Host serves one model at a time, each with a [System] of its own, and replaces it while clients come and go. Its methods may be called from any goroutine.
//
// It owns the system: others ask for it with each request (Current) and do not keep it. It is no actor: what it does takes long and nobody else has a
// part in it. One change runs at a time, on the goroutine of whoever wanted it.
type Host struct {
	catalogue Catalogue
	log       *slog.Logger
	life      context.Context // ends when the server stops: nothing new is begun then
	end       context.CancelFunc
	now       func() time.Time

	mu      sync.Mutex // protects the following fields, and is never held while something is waited for
	served  *served    // nil: no model is in memory
	shown   *model.Model
	last    *Source // the model that is served, or was
	gate    *gate   // not nil: requests are refused or wait
	queued  int     // requests that wait at the gate
	change  *change // that runs; nil: none
	outcome *Change // of the last one
	failed  string  // why there is no model although there should be; "": there should be none
	counts  map[string]uint64
	loading time.Duration // how long it took the last time

	past      map[string]*Stats // of systems that are closed, by the id of the model
	pastCache CacheInfo
}

// served is a model in memory.
type served struct {
	system *System
	source *Source
}

// gate is what requests stand before during a swap.
type gate struct {
	opened chan struct{} // closed when it does
	since  time.Time
	queue  bool          // they wait for that
	until  time.Time     // when the drain is over at the latest
	then   time.Duration // how long loading took the last time, if that comes after
}

// change is a swap, a load or an offload that runs.
type change struct {
	Change
	ctx    context.Context
	cancel context.CancelCauseFunc
	over   chan struct{} // closed at the end
}

// Change says what becomes, or became, of a wish for another model.
type Change struct {
	Model   string // as the catalogue has it; "": none
	Phase   string // of one that runs
	Began   time.Time
	Took    time.Duration // in all
	Gap     time.Duration // of that, while requests were refused or waited
	Stopped int           // requests that did not end in time
	Beside  bool          // it was loaded while the one before was served
	Err     error         // nil: it is done
}

// Report is what a [Host] tells an administrator.
type Report struct {
	State     State
	Reason    string       // of a state that is not Ready
	Model     *model.Model // that is served, or was last; nil: none was
	Name      string       // of that in the catalogue
	Available []string
	Running   *Change // nil: nothing changes
	Last      *Change // nil: nothing changed yet
}

// NewHost makes a host without a model. Close must be called.
func NewHost(c Catalogue, log *slog.Logger) *Host {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	h := &Host{catalogue: c, log: log, now: time.Now, past: map[string]*Stats{}, counts: map[string]uint64{}}
	h.life, h.end = context.WithCancel(context.Background())
	return h
}

// Serve loads the first model.
func (h *Host) Serve(ctx context.Context, source *Source) error {
	_, err := h.run(ctx, Wish{Model: source.Name}, true, func(c *change) error { return h.replace(c, source, Wish{}) })
	return err
}

// Current returns the system that takes requests now. While a swap lets requests wait, it waits for its end; otherwise the error is of kind Swapping or
// Starting, with RetryAfter.
func (h *Host) Current(ctx context.Context) (*System, error) {
	for {
		h.mu.Lock()
		gate, err := h.gate, h.refusal()
		switch {
		case err != nil:
			h.mu.Unlock()
			return nil, err
		case gate == nil:
			defer h.mu.Unlock()
			return h.served.system, nil
		}
		h.queued++
		h.mu.Unlock()
		select {
		case <-gate.opened:
		case <-ctx.Done():
		}
		h.mu.Lock()
		h.queued--
		h.mu.Unlock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// Refusal is the error that Current would return at once, or nil if it has a system or would wait for one.
func (h *Host) Refusal() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.refusal()
}

// refusal does that with mu held.
func (h *Host) refusal() error {
	switch g := h.gate; {
	case g != nil && (!g.queue || h.queued >= maxQueued):
		return h.swapping()
	case g == nil && h.served == nil:
		message := "no model is in memory: an administrator took it out"
		if h.failed != "" {
			message = "no model is in memory: " + h.failed
		}
		return &runtime.Error{Kind: runtime.Starting, Message: message, RetryAfter: 30 * time.Second}
	}
	return nil
}

// swapping is what requests are told at the gate. mu is held.
func (h *Host) swapping() *runtime.Error {
	wait := max(h.gate.until.Sub(h.now()), 0) + h.gate.then
	return &runtime.Error{Kind: runtime.Swapping, Message: "the model is being replaced", RetryAfter: max(wait, time.Second)}
}

// System returns the system that serves or, during a swap, still finishes what it has; nil if there is none.
func (h *Host) System() *System {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.served == nil {
		return nil
	}
	return h.served.system
}

// State says whether requests are taken, why not, and which model they are for, or were; nil: none was.
func (h *Host) State() (state State, reason string, shown *model.Model) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.state()
}

// state does that with mu held.
func (h *Host) state() (State, string, *model.Model) {
	switch {
	case h.gate != nil && h.change != nil:
		to := h.change.Model
		if to == "" {
			return Swapping, "the model is being taken out of memory: " + h.change.Phase, h.shown
		}
		return Swapping, fmt.Sprintf("the model is being replaced by %s: %s", to, h.change.Phase), h.shown
	case h.served != nil:
		return Ready, "", h.shown
	case h.failed != "":
		return Offloaded, h.failed, h.shown
	default:
		return Offloaded, "an administrator took the model out of memory", h.shown
	}
}

// Report tells everything.
func (h *Host) Report() (Report, error) {
	names, err := h.catalogue.Names()
	if err != nil {
		return Report{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	r := Report{Available: names}
	r.State, r.Reason, r.Model = h.state()
	if h.last != nil {
		r.Name = h.last.Name
	}
	if h.change != nil {
		running := h.change.Change
		r.Running = &running
	}
	if h.outcome != nil {
		last := *h.outcome
		r.Last = &last
	}
	return r, nil
}

// Changes says how many changes came to an end, by their result: done, failed or cancelled. The first load does not count.
func (h *Host) Changes() map[string]uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := map[string]uint64{resultDone: 0, resultFailed: 0, resultCancelled: 0}
	for result, count := range h.counts {
		n[result] = count
	}
	return n
}

// Results of a change.
const (
	resultDone      = "done"
	resultFailed    = "failed"
	resultCancelled = "cancelled"
)

// Result is how a change ended, in one word.
func (c *Change) Result() string {
	switch {
	case c.Err == nil:
		return resultDone
	case errors.Is(c.Err, errCancelled):
		return resultCancelled
	default:
		return resultFailed
	}
}

// Stats are the numbers of the system of this moment. Counters include those of the systems before; but Preempted, which is shown with the name of the
// model, only of those with the same model.
func (h *Host) Stats(ctx context.Context) (Stats, error) {
	s, past, _, err := sums(ctx, h, (*System).Stats)
	if err != nil {
		return s, err
	}
	h.mu.Lock()
	shown := h.shown
	h.mu.Unlock()
	preempted := s.Preempted
	for id, p := range past {
		s.addCounters(p)
		if shown != nil && id == shown.ID {
			preempted += p.Preempted
		}
	}
	s.Preempted = preempted
	return s, nil
}

// Cache are the sums over all agents of the model of this moment. Counters include those of the systems before.
func (h *Host) Cache(ctx context.Context) (CacheInfo, error) {
	i, _, past, err := sums(ctx, h, (*System).Cache)
	i.addCounters(&past)
	return i, err
}

// sums asks the system, and returns with the answer what those before had counted when this one began.
func sums[T any](ctx context.Context, h *Host, ask func(*System, context.Context) (T, error)) (v T, past map[string]*Stats, cache CacheInfo, err error) {
	for {
		system := h.System()
		if system != nil {
			v, err = ask(system, ctx)
		}
		h.mu.Lock()
		same := system == nil && h.served == nil || h.served != nil && h.served.system == system
		if same || ctx.Err() != nil {
			past = make(map[string]*Stats, len(h.past))
			for id, p := range h.past {
				past[id] = p // replaced, never changed
			}
			cache = h.pastCache
			h.mu.Unlock()
			return v, past, cache, err
		}
		h.mu.Unlock()
		var zero T
		v, err = zero, nil
	}
}

// Drain refuses new requests and changes from now on, ends a change that runs, and then does what [System.Drain] does.
func (h *Host) Drain(ctx context.Context) error {
	h.stopChanges()
	if s := h.System(); s != nil {
		return s.Drain(ctx)
	}
	return nil
}

// Close ends a change that runs, saves what agents know and stops everything. It may be called more than once.
func (h *Host) Close() error {
	h.stopChanges()
	if s := h.System(); s != nil {
		return s.Close()
	}
	return nil
}

// stopChanges cancels the change that runs and waits for its end. None begins from now on.
func (h *Host) stopChanges() {
	h.mu.Lock()
	h.end()
	c := h.change
	h.mu.Unlock()
	if c != nil {
		c.cancel(errDraining())
		<-c.over
	}
}
