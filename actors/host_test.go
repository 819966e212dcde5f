package actors_test

import (
	"context"
	"errors"
	"maps"
	"math"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
	"troupe/runtime/storetest"
)

// book is a model of a shelf.
type book struct {
	unfit error                           // opening it fails
	load  func(ctx context.Context) error // before it is loaded
	step  func(rows []runtime.Row) error  // before each step
	spoil func(results []runtime.Result)  // after each step
	save  func(runtime.Manifest) error    // before each save
}

// shelf is a catalogue of fake models whose agents are on one store. Of models of 40 bytes two fit into its room if that is 100.
type shelf struct {
	store runtime.Store
	room  int64
	open  atomic.Int32 // engines that are loaded

	mu    sync.Mutex // protects books
	books map[string]book
}

func newShelf(room int64) *shelf {
	return &shelf{store: storetest.NewFake(), room: room, books: map[string]book{"a": {}, "b": {}}}
}

func (s *shelf) set(name string, b book) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.books[name] = b
}

func (s *shelf) get(name string) book {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.books[name]
}

func (s *shelf) Names() ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.books)), nil
}

func (s *shelf) Open(name string) (*actors.Source, error) {
	s.mu.Lock()
	b, ok := s.books[name]
	s.mu.Unlock()
	if !ok {
		return nil, runtime.Errorf(runtime.Unknown, "there is no model %q", name)
	}
	if b.unfit != nil {
		return nil, b.unfit
	}
	return &actors.Source{Name: name, Bytes: 40, Room: s.room, Load: func(ctx context.Context) (actors.Config, error) {
		b := s.get(name)
		if b.load != nil {
			if err := b.load(ctx); err != nil {
				return actors.Config{}, err
			}
		}
		s.open.Add(1)
		e := &labelled{Fake: enginetest.NewFake(enginetest.Options{BeforeStep: b.step}), tag: name, spoil: b.spoil, open: &s.open}
		return actors.Config{
			Engine: e, Model: &model.Model{ID: "model-" + name}, Store: &picky{s.store, b.save},
			Decoder: func() actors.Decoder { return letters{} },
		}, nil
	}}, nil
}

// labelled is an engine with a tag of its own.
type labelled struct {
	*enginetest.Fake
	tag   string
	spoil func([]runtime.Result)
	open  *atomic.Int32
}

func (e *labelled) Info() runtime.EngineInfo {
	i := e.Fake.Info()
	i.Tag = e.tag
	return i
}

func (e *labelled) Step(rows []runtime.Row) ([]runtime.Result, error) {
	results, err := e.Fake.Step(rows)
	if e.spoil != nil {
		e.spoil(results)
	}
	return results, err
}

func (e *labelled) Close() error {
	e.open.Add(-1)
	return e.Fake.Close()
}

// picky is a store that may refuse to save.
type picky struct {
	runtime.Store
	save func(runtime.Manifest) error
}

func (p *picky) Save(m runtime.Manifest, block func(int) ([]byte, error)) error {
	if p.save != nil {
		if err := p.save(m); err != nil {
			return err
		}
	}
	return p.Store.Save(m, block)
}

// host serves model a until the test ends.
func (s *shelf) host(t *testing.T) *actors.Host {
	t.Helper()
	h := actors.NewHost(s, nil)
	t.Cleanup(func() {
		require.NoError(t, h.Close())
		require.Zero(t, s.open.Load(), "engines that nobody closed")
	})
	source, err := s.Open("a")
	require.NoError(t, err)
	require.NoError(t, h.Serve(t.Context(), source))
	return h
}

func current(t testing.TB, h *actors.Host) *actors.System {
	t.Helper()
	system, err := h.Current(context.Background())
	require.NoError(t, err)
	return system
}

func swap(t testing.TB, h *actors.Host, to string) actors.Change {
	t.Helper()
	c, err := h.Swap(context.Background(), actors.Wish{Model: to, Drain: time.Hour})
	require.NoError(t, err)
	return c
}

func requireState(t testing.TB, h *actors.Host, state actors.State, id string) {
	t.Helper()
	got, reason, shown := h.State()
	require.Equal(t, state, got, reason)
	require.Equal(t, id, shown.ID)
	require.Equal(t, state == actors.Ready, reason == "")
}

// rooms are those that hold both models, one at a time, and an unknown number.
var rooms = map[string]int64{"beside": 100, "one at a time": 50, "unknown memory": 0}

func TestAgentsFindTheirCachesWhenTheirModelIsBack(t *testing.T) {
	for name, room := range rooms {
		t.Run(name, func(t *testing.T) {
			s := newShelf(room)
			h := s.host(t)
			p, q := prompt(1, 40), prompt(2, 40)
			ask(t, current(t, h), "ada", p, 10)
			c := swap(t, h, "b")
			require.Equal(t, room == 100, c.Beside)
			require.EqualValues(t, 1, s.open.Load(), "the old engine is closed")
			requireState(t, h, actors.Ready, "model-b")
			require.Zero(t, ask(t, current(t, h), "ada", p, 10), "another model's cache is no use")
			ask(t, current(t, h), "bob", q, 10)

			swap(t, h, "a")
			requireState(t, h, actors.Ready, "model-a")
			next := func(p []int32) []int32 { return append(slices.Clone(p), enginetest.Greedy(64, p, 10)...) }
			require.Equal(t, 40+10-1, ask(t, current(t, h), "ada", next(p), 1))
			require.Zero(t, ask(t, current(t, h), "bob", q, 10))
			swap(t, h, "b")
			require.Equal(t, 40+10-1, ask(t, current(t, h), "bob", next(q), 1))
			require.Equal(t, map[string]uint64{"done": 3, "failed": 0, "cancelled": 0}, h.Changes())
		})
	}
}

// TestRunningRequestsFinish has a swap wait for an answer, while others are refused.
func TestRunningRequestsFinish(t *testing.T) {
	for name, room := range rooms {
		t.Run(name, func(t *testing.T) {
			s, g := newShelf(room), newGate()
			s.set("a", book{step: func(rows []runtime.Row) error {
				if rows[0].Start > 0 { // not the step that warms up
					return g.beforeStep(rows)
				}
				return nil
			}})
			h := s.host(t)
			old := current(t, h)
			p := prompt(1, 40)
			st := generate(t, old, actors.Request{Agent: "ada", Prompt: p, MaxTokens: 10})
			g.wait()
			swapped := make(chan error, 1)
			go func() {
				_, err := h.Swap(context.Background(), actors.Wish{Model: "b", Drain: time.Hour})
				swapped <- err
			}()
			requireRefusedSoon(t, h)
			state, reason, _ := h.State()
			require.Equal(t, actors.Swapping, state)
			require.Contains(t, reason, "replaced by b: draining")
			_, err := old.Generate(context.Background(), actors.Request{Prompt: p})
			require.Equal(t, runtime.Swapping, runtime.KindOf(err), "who asked for the system a moment ago")
			g.open()
			text, _, o := read(st)
			require.NoError(t, o.Err)
			require.Equal(t, spell(enginetest.Greedy(64, p, 10)), text)
			require.NoError(t, <-swapped)
			_, err = old.Generate(context.Background(), actors.Request{Prompt: p})
			require.Equal(t, runtime.Swapping, runtime.KindOf(err), "also when the old system is closed")
			requireState(t, h, actors.Ready, "model-b")
		})
	}
}

// requireRefusedSoon waits until requests are refused.
func requireRefusedSoon(t testing.TB, h *actors.Host) {
	t.Helper()
	require.Eventually(t, func() bool { return h.Refusal() != nil }, time.Minute, time.Millisecond)
	_, err := h.Current(context.Background())
	var refused *runtime.Error
	require.ErrorAs(t, err, &refused)
	require.Equal(t, runtime.Swapping, refused.Kind)
	require.GreaterOrEqual(t, refused.RetryAfter, time.Second)
}

// held makes model a one whose requests never get beyond their first steps, until the function that it returns is called.
func (s *shelf) held() (open func()) {
	opened := make(chan struct{})
	s.set("a", book{step: func(rows []runtime.Row) error {
		if rows[0].Start > 100 {
			<-opened
		}
		return nil
	}})
	return sync.OnceFunc(func() { close(opened) })
}

// TestRequestsThatDoNotFinishAreToldAndKept stops an answer that is too long, and goes on with it when the model is back.
func TestRequestsThatDoNotFinishAreToldAndKept(t *testing.T) {
	for name, room := range rooms {
		t.Run(name, func(t *testing.T) {
			s := newShelf(room)
			slow := make(chan struct{})
			s.set("a", book{step: func(rows []runtime.Row) error {
				if rows[0].Start == 60 {
					close(slow)
				}
				if rows[0].Start >= 60 {
					time.Sleep(time.Millisecond)
				}
				return nil
			}})
			h := s.host(t)
			p := prompt(1, 40)
			st := generate(t, current(t, h), actors.Request{Agent: "ada", Prompt: p, MaxTokens: 900})
			<-slow
			c, err := h.Swap(context.Background(), actors.Wish{Model: "b", Drain: time.Millisecond})
			require.NoError(t, err)
			require.Equal(t, 1, c.Stopped)
			_, _, o := read(st)
			require.Equal(t, runtime.Swapping, runtime.KindOf(o.Err))
			require.Greater(t, o.OutputTokens, 20)
			s.set("a", book{})
			swap(t, h, "a")
			next := append(slices.Clone(p), enginetest.Greedy(64, p, o.OutputTokens)...)
			require.GreaterOrEqual(t, ask(t, current(t, h), "ada", next, 1), len(next)-1)
		})
	}
}

func TestAFailedSwapChangesNothing(t *testing.T) {
	bad := errors.New("the weights are cut off")
	for name, c := range map[string]struct {
		book book
		kind runtime.Kind
		says string
	}{
		"not there":     {book{unfit: runtime.Errorf(runtime.Unknown, "there is no such folder")}, runtime.Unknown, "there is no such folder"},
		"does not fit":  {book{unfit: runtime.Errorf(runtime.Invalid, "it takes 9 GiB")}, runtime.Invalid, "it takes 9 GiB"},
		"bad weights":   {book{load: func(context.Context) error { return bad }}, runtime.Invalid, bad.Error()},
		"load panics":   {book{load: func(context.Context) error { panic("boom") }}, runtime.Invalid, "boom"},
		"no step":       {book{step: func([]runtime.Row) error { return bad }}, runtime.Invalid, bad.Error()},
		"step panics":   {book{step: func([]runtime.Row) error { panic("boom") }}, runtime.Invalid, "boom"},
		"not a number":  {book{spoil: func(r []runtime.Result) { r[0].LogSumExp = float32(math.NaN()) }}, runtime.Invalid, "numbers that are none"},
		"no candidates": {book{spoil: func(r []runtime.Result) { r[0].Top = nil }}, runtime.Invalid, "no result"},
	} {
		for where, room := range rooms {
			t.Run(name+", "+where, func(t *testing.T) {
				s := newShelf(room)
				s.set("b", c.book)
				h := s.host(t)
				p := prompt(1, 40)
				ask(t, current(t, h), "ada", p, 10)
				before := current(t, h)
				_, err := h.Swap(t.Context(), actors.Wish{Model: "b", Drain: time.Hour})
				require.ErrorContains(t, err, c.says)
				require.ErrorContains(t, err, "a is served as before")
				require.Equal(t, c.kind, runtime.KindOf(err))
				requireState(t, h, actors.Ready, "model-a")
				require.EqualValues(t, 1, s.open.Load())
				if room == 100 || c.book.unfit != nil {
					require.Same(t, before, current(t, h), "nothing was touched")
				}
				next := append(slices.Clone(p), enginetest.Greedy(64, p, 10)...)
				require.Equal(t, 49, ask(t, current(t, h), "ada", next, 1))
				require.Equal(t, map[string]uint64{"done": 0, "failed": 1, "cancelled": 0}, h.Changes())
				s.set("b", book{})
				swap(t, h, "b")
			})
		}
	}
}

// TestNothingCanBeLoadedAnyMore loses both models. The host says why, and loads one when that is possible again.
func TestNothingCanBeLoadedAnyMore(t *testing.T) {
	s := newShelf(50)
	h := s.host(t)
	broken := book{load: func(context.Context) error { return errors.New("the disk is gone") }}
	s.set("a", broken)
	s.set("b", broken)
	_, err := h.Swap(t.Context(), actors.Wish{Model: "b", Drain: time.Hour})
	require.ErrorContains(t, err, "the disk is gone; a could not be loaded again: the disk is gone; no model is in memory now")
	requireState(t, h, actors.Offloaded, "model-a")
	_, err = h.Current(t.Context())
	require.Equal(t, runtime.Starting, runtime.KindOf(err))
	require.ErrorContains(t, err, "the disk is gone")
	s.set("a", book{})
	_, err = h.Load(t.Context(), actors.Wish{})
	require.NoError(t, err)
	requireState(t, h, actors.Ready, "model-a")
}

func TestOneChangeAtATime(t *testing.T) {
	s := newShelf(100)
	h := s.host(t)
	loading, proceed := make(chan struct{}), make(chan struct{})
	s.set("b", book{load: func(context.Context) error { close(loading); <-proceed; return nil }})
	swapped := make(chan error, 1)
	go func() {
		_, err := h.Swap(context.Background(), actors.Wish{Model: "b", Drain: time.Hour})
		swapped <- err
	}()
	<-loading
	for _, f := range []func(context.Context, actors.Wish) (actors.Change, error){h.Swap, h.Load, h.Offload} {
		_, err := f(t.Context(), actors.Wish{Model: "a"})
		require.Equal(t, runtime.Conflict, runtime.KindOf(err))
		require.ErrorContains(t, err, "a swap to b runs already")
	}
	requireState(t, h, actors.Ready, "model-a")
	r, err := h.Report()
	require.NoError(t, err)
	require.Equal(t, []string{"a", "b"}, r.Available)
	require.Equal(t, "b", r.Running.Model)
	require.Equal(t, "loading", r.Running.Phase)
	ask(t, current(t, h), "ada", prompt(1, 40), 10)
	close(proceed)
	require.NoError(t, <-swapped)
	r, err = h.Report()
	require.NoError(t, err)
	require.Nil(t, r.Running)
	require.Equal(t, "b", r.Name)
	require.Equal(t, "done", r.Last.Result())
}

func TestASwapCanBeCancelled(t *testing.T) {
	for where, room := range rooms {
		t.Run(where, func(t *testing.T) {
			s := newShelf(room)
			h := s.host(t)
			require.Equal(t, runtime.Conflict, runtime.KindOf(h.Cancel(t.Context())), "nothing runs")
			p := prompt(1, 40)
			ask(t, current(t, h), "ada", p, 10)
			loading := make(chan struct{}, 1)
			s.set("b", book{load: func(ctx context.Context) error { loading <- struct{}{}; <-ctx.Done(); return ctx.Err() }})
			swapped := make(chan error, 1)
			ctx, cancel := context.WithCancel(t.Context())
			for _, cancelled := range []func(){func() { require.NoError(t, h.Cancel(t.Context())) }, cancel} {
				go func() {
					_, err := h.Swap(ctx, actors.Wish{Model: "b", Drain: time.Hour})
					swapped <- err
				}()
				<-loading
				cancelled()
				err := <-swapped
				require.Equal(t, runtime.Conflict, runtime.KindOf(err))
				require.ErrorContains(t, err, "it was cancelled; a is served as before")
			}
			requireState(t, h, actors.Ready, "model-a")
			next := append(slices.Clone(p), enginetest.Greedy(64, p, 10)...)
			require.Equal(t, 49, ask(t, current(t, h), "ada", next, 1))
			require.Equal(t, map[string]uint64{"done": 0, "failed": 0, "cancelled": 2}, h.Changes())
		})
	}
}

// TestACancelWhileRequestsFinish lets the answer that was waited for go on.
func TestACancelWhileRequestsFinish(t *testing.T) {
	for where, room := range rooms {
		t.Run(where, func(t *testing.T) {
			s := newShelf(room)
			open := s.held()
			h := s.host(t)
			defer open()
			p := prompt(1, 40)
			st := generate(t, current(t, h), actors.Request{Agent: "ada", Prompt: p, MaxTokens: 100})
			swapped := make(chan error, 1)
			go func() {
				_, err := h.Swap(context.Background(), actors.Wish{Model: "b", Drain: time.Hour})
				swapped <- err
			}()
			requireRefusedSoon(t, h)
			require.NoError(t, h.Cancel(t.Context()))
			require.Equal(t, runtime.Conflict, runtime.KindOf(<-swapped))
			other := generate(t, current(t, h), actors.Request{Agent: "bob", Prompt: p, MaxTokens: 5})
			open()
			for _, st := range []*actors.Stream{st, other} {
				_, _, o := read(st)
				require.NoError(t, o.Err)
			}
			swap(t, h, "b")
		})
	}
}

// TestRequestsMayWaitForTheNewModel has a swap that lets requests wait; one of them does not stay.
func TestRequestsMayWaitForTheNewModel(t *testing.T) {
	s := newShelf(50)
	open := s.held()
	h := s.host(t)
	st := generate(t, current(t, h), actors.Request{Agent: "ada", Prompt: prompt(1, 40), MaxTokens: 100})
	swapped := make(chan error, 1)
	go func() {
		_, err := h.Swap(context.Background(), actors.Wish{Model: "b", Drain: time.Hour, Queue: true})
		swapped <- err
	}()
	require.Eventually(t, func() bool { state, _, _ := h.State(); return state == actors.Swapping }, time.Minute, time.Millisecond)
	require.NoError(t, h.Refusal())
	leaving, leave := context.WithCancel(context.Background())
	gone := make(chan error, 1)
	go func() { _, err := h.Current(leaving); gone <- err }()
	answers := make(chan string, 3)
	for range cap(answers) {
		go func() {
			system, err := h.Current(context.Background())
			if err != nil {
				answers <- err.Error()
				return
			}
			answers <- system.Tag()
		}()
	}
	leave()
	require.ErrorIs(t, <-gone, context.Canceled)
	open()
	_, _, o := read(st)
	require.NoError(t, o.Err)
	require.NoError(t, <-swapped)
	for range cap(answers) {
		require.Equal(t, "b", <-answers)
	}
}

// TestNobodyLosesACacheToADiskThatIsFull has agents that cannot be saved: the old model stays, unless that is forced.
func TestNobodyLosesACacheToADiskThatIsFull(t *testing.T) {
	for where, room := range rooms {
		t.Run(where, func(t *testing.T) {
			s := newShelf(room)
			s.set("a", book{save: func(runtime.Manifest) error { return errors.New("no space left") }})
			h := s.host(t)
			p := prompt(1, 40)
			ask(t, current(t, h), "ada", p, 10)
			_, err := h.Swap(t.Context(), actors.Wish{Model: "b", Drain: time.Hour})
			require.Equal(t, runtime.Internal, runtime.KindOf(err))
			require.ErrorContains(t, err, "agents could not be saved")
			next := append(slices.Clone(p), enginetest.Greedy(64, p, 10)...)
			require.Equal(t, 49, ask(t, current(t, h), "ada", next, 1), "its cache is where it was")
			_, err = h.Swap(t.Context(), actors.Wish{Model: "b", Drain: time.Hour, Force: true})
			require.NoError(t, err)
		})
	}
}

func TestOffloadAndLoad(t *testing.T) {
	s := newShelf(50)
	h := s.host(t)
	p := prompt(1, 40)
	ask(t, current(t, h), "ada", p, 10)
	_, err := h.Load(t.Context(), actors.Wish{})
	require.Equal(t, runtime.Conflict, runtime.KindOf(err))
	_, err = h.Offload(t.Context(), actors.Wish{Drain: time.Hour})
	require.NoError(t, err)
	require.Zero(t, s.open.Load())
	requireState(t, h, actors.Offloaded, "model-a")
	require.Nil(t, h.System())
	_, err = h.Current(t.Context())
	require.Equal(t, runtime.Starting, runtime.KindOf(err))
	_, err = h.Offload(t.Context(), actors.Wish{})
	require.Equal(t, runtime.Conflict, runtime.KindOf(err))
	_, err = h.Load(t.Context(), actors.Wish{})
	require.NoError(t, err)
	next := append(slices.Clone(p), enginetest.Greedy(64, p, 10)...)
	require.Equal(t, 49, ask(t, current(t, h), "ada", next, 1))
	_, err = h.Offload(t.Context(), actors.Wish{Drain: time.Hour})
	require.NoError(t, err)
	swap(t, h, "b")
	requireState(t, h, actors.Ready, "model-b")
}

// TestAShutdownEndsASwap stops the host in the middle of one, with and without an old model.
func TestAShutdownEndsASwap(t *testing.T) {
	for where, room := range rooms {
		t.Run(where, func(t *testing.T) {
			s := newShelf(room)
			h := s.host(t)
			p := prompt(1, 40)
			ask(t, current(t, h), "ada", p, 10)
			loading := make(chan struct{})
			s.set("b", book{load: func(ctx context.Context) error { close(loading); <-ctx.Done(); return ctx.Err() }})
			swapped := make(chan error, 1)
			go func() {
				_, err := h.Swap(context.Background(), actors.Wish{Model: "b", Drain: time.Hour})
				swapped <- err
			}()
			<-loading
			require.NoError(t, h.Drain(t.Context()))
			require.Error(t, <-swapped)
			_, err := h.Swap(t.Context(), actors.Wish{Model: "b"})
			require.Equal(t, runtime.Draining, runtime.KindOf(err))
			require.NoError(t, h.Close())
			require.NoError(t, h.Close())
			require.Len(t, s.store.List(), 1, "ada is saved")
		})
	}
}

// TestCountersGoOn swaps while somebody looks: no counter ever falls.
func TestCountersGoOn(t *testing.T) {
	for where, room := range rooms {
		t.Run(where, func(t *testing.T) {
			s := newShelf(room)
			h := s.host(t)
			done := make(chan struct{})
			seen := make(chan error, 1)
			go func() {
				var last actors.Stats
				for {
					st, err := h.Stats(context.Background())
					if err == nil && (st.Admitted < last.Admitted || st.Steps < last.Steps || st.Hits < last.Hits || st.Misses < last.Misses || st.SavedBytes < last.SavedBytes) {
						err = errors.New("a counter fell")
					}
					last = st
					select {
					case <-done:
						seen <- err
						return
					default:
					}
					if err != nil {
						seen <- err
						return
					}
				}
			}()
			for i := range 10 {
				ask(t, current(t, h), "ada", prompt(i, 40), 10)
				swap(t, h, []string{"b", "a"}[i%2])
			}
			close(done)
			require.NoError(t, <-seen)
			st, err := h.Stats(t.Context())
			require.NoError(t, err)
			require.EqualValues(t, 10, st.Admitted)
			require.EqualValues(t, 400, st.Hits+st.Misses)
			info, err := h.Cache(t.Context())
			require.NoError(t, err)
			require.Equal(t, st.Hits, info.Hits)
			require.Equal(t, st.SavedBytes, info.SavedBytes)
		})
	}
}

// TestEveryNumberIsACounterOrNot makes whoever adds a number to the statistics decide whether it goes on after a swap.
func TestEveryNumberIsACounterOrNot(t *testing.T) {
	moment := []string{
		"Blocks", "Free", "Leased", "Cached", "Shared", "BlockTokens", "Running", "Waiting", "WaitingBy", "QueuedTokens", "Paused", "IdleAgents", "Draining",
		"PoolMail", "BatcherMail", "KeeperMail", "LastRows", "PrefillSpeed", "Stalled", "AgentsHot", "AgentsSaved", "BlockBytes", "Disk",
	}
	for _, sum := range []func() (reflect.Value, reflect.Value){actors.AddedStats, actors.AddedCacheInfo} {
		one, two := sum()
		for i := range one.NumField() {
			name := one.Type().Field(i).Name
			changed := !reflect.DeepEqual(one.Field(i).Interface(), two.Field(i).Interface())
			require.NotEqual(t, changed, slices.Contains(moment, name), "%s of %s", name, one.Type())
		}
	}
}
