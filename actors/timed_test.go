package actors_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
)

// timed is a system in simulated time: only the steps of the engine take any, as much as cost says. Requests come when they are due, also in the middle of
// a step.
type timed struct {
	*testing.T
	system  *actors.System
	queue   []func()
	clock   time.Duration
	cost    func(rows []runtime.Row) time.Duration
	due     []*visit // in order
	visits  []*visit
	longest time.Duration // step
	seconds bool          // who is refused waits for whole seconds
}

// visit is one request and when its tokens came.
type visit struct {
	at      time.Duration
	request actors.Request
	stream  *actors.Stream
	tokens  []time.Duration
	done    bool
	then    func() // when it is over

	returns bool // when it is refused, as soon as it was told to
	tries   int
}

func (w *timed) Schedule(f func()) { w.queue = append(w.queue, f) }
func (w *timed) Throughput() int   { return 1 }

func (w *timed) RunOne() bool {
	if len(w.queue) == 0 {
		return false
	}
	f := w.queue[0]
	w.queue = w.queue[1:]
	f()
	for _, v := range w.visits {
		v.read(w.clock)
	}
	return true
}

func (v *visit) read(now time.Duration) {
	for !v.done && v.stream != nil {
		select {
		case e, open := <-v.stream.Events():
			switch {
			case !open:
				v.done = true
				if v.then != nil {
					v.then()
				}
			case e.Tokens > len(v.tokens):
				v.tokens = append(v.tokens, now)
			}
		default:
			return
		}
	}
}

func newTimed(t *testing.T, o enginetest.Options, cfg actors.Config, cost func(rows []runtime.Row) time.Duration) *timed {
	w := &timed{T: t, cost: cost}
	o.BeforeStep = w.step
	cfg.Dispatcher, cfg.Now, cfg.Check = w, func() time.Time { return time.Unix(0, 0).Add(w.clock) }, true
	cfg.StreamBuffer = 1 << 16
	w.system = start(t, o, cfg)
	return w
}

func (w *timed) step(rows []runtime.Row) error {
	took := w.cost(rows)
	end := w.clock + took
	for len(w.due) > 0 && w.due[0].at <= end {
		w.arrive(max(w.clock, w.due[0].at))
		for w.RunOne() { // the actors have the rest of the step for it
		}
	}
	w.clock = end
	w.longest = max(w.longest, took)
	return nil
}

// send has a request come at a time.
func (w *timed) send(at time.Duration, r actors.Request) *visit {
	v := &visit{at: at, request: r}
	w.expect(v)
	w.visits = append(w.visits, v)
	return v
}

func (w *timed) expect(v *visit) {
	w.due = append(w.due, v)
	slices.SortStableFunc(w.due, func(a, b *visit) int { return int(a.at - b.at) })
}

func (w *timed) arrive(now time.Duration) {
	w.clock = now
	v := w.due[0]
	w.due = w.due[1:]
	var err error
	v.tries++
	v.stream, err = w.system.Generate(context.Background(), v.request)
	var busy *runtime.Error
	if v.returns && errors.As(err, &busy) && busy.Kind == runtime.Busy {
		require.GreaterOrEqual(w, busy.RetryAfter, runtime.MinRetryAfter)
		require.LessOrEqual(w, busy.RetryAfter, runtime.MaxRetryAfter)
		wait := busy.RetryAfter
		if w.seconds {
			wait = (wait + time.Second - 1).Truncate(time.Second)
		}
		v.stream, v.at = nil, now+wait
		w.expect(v)
		return
	}
	require.NoError(w, err)
}

// run goes on until all is over, or stop says so.
func (w *timed) run(stop func() bool) {
	for {
		for w.RunOne() {
			if stop != nil && stop() {
				return
			}
		}
		if len(w.due) == 0 {
			break
		}
		w.arrive(max(w.clock, w.due[0].at))
	}
	for _, v := range w.visits {
		require.True(w, v.done)
		require.NoError(w, v.stream.Outcome().Err)
	}
}

func (v *visit) wait() time.Duration { return v.tokens[0] - v.at }

// costs makes the time of a step: so much for itself, for a row that decodes, and for a token of a prompt, which grows by the same every 8000 positions.
func costs(step, row, token time.Duration) func(rows []runtime.Row) time.Duration {
	return func(rows []runtime.Row) time.Duration {
		t := step
		for _, r := range rows {
			if n := len(r.Tokens); n > 1 {
				t += time.Duration(float64(n) * float64(token) * (1 + (float64(r.Start)+float64(n)/2)/8000))
			} else {
				t += row
			}
		}
		return t
	}
}

// distinct returns n tokens that begin as those of no other seed do.
func distinct(seed uint64, n int) []int32 { return words(rand.New(rand.NewPCG(seed, 9)), n) }

// Whatever somebody else has sent before, an agent that sends one request at a time waits for the step that is being computed when it comes, and for the one
// that computes its prompt.
func TestNobodyWaitsForTheCrowdOfAnother(t *testing.T) {
	const gap = 200 * time.Millisecond
	for name, c := range map[string]struct {
		crowd func(i int) actors.Request // of fifty
		batch int
		ada   actors.Request
		think time.Duration // between an answer and the next request
	}{
		"fifty requests of an agent, few rows": {func(i int) actors.Request {
			return actors.Request{Agent: "crowd", Prompt: distinct(uint64(i), 200), MaxTokens: 100}
		}, 8, actors.Request{Agent: "ada"}, 77 * time.Millisecond},
		"fifty requests of an agent, rows for all": {func(i int) actors.Request {
			return actors.Request{Agent: "crowd", Prompt: distinct(uint64(i), 1000), MaxTokens: 20}
		}, 64, actors.Request{Agent: "ada"}, 77 * time.Millisecond},
		"fifty requests of an agent, an answer at once": {func(i int) actors.Request {
			return actors.Request{Agent: "crowd", Prompt: distinct(uint64(i), 20), MaxTokens: 400}
		}, 8, actors.Request{Agent: "ada"}, 0},
		"fifty anonymous requests": {func(i int) actors.Request {
			return actors.Request{Prompt: distinct(uint64(i), 200), MaxTokens: 100}
		}, 8, actors.Request{Agent: "ada"}, 77 * time.Millisecond},
		"fifty agents of an owner": {func(i int) actors.Request {
			return actors.Request{Agent: fmt.Sprint("crowd/", i), Prompt: distinct(uint64(i), 300), MaxTokens: 100}
		}, 8, actors.Request{Agent: "ada/ada"}, 77 * time.Millisecond},
		"fifty agents with batches": {func(i int) actors.Request {
			return actors.Request{Agent: fmt.Sprint("batch-", i), Class: runtime.Batch, Prompt: distinct(uint64(i), 300), MaxTokens: 100}
		}, 8, actors.Request{Agent: "ada"}, 77 * time.Millisecond},
		"a long prompt": {func(i int) actors.Request {
			return actors.Request{Agent: "crowd", Prompt: distinct(uint64(i), 50_000/(1+1000*min(i, 1))), MaxTokens: 3}
		}, 64, actors.Request{Agent: "ada"}, 77 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTimed(t, enginetest.Options{Context: 60_000, BlockTokens: 64, Blocks: 1000}, actors.Config{MaxBatch: c.batch, MaxGap: gap}, costs(5*time.Millisecond, time.Millisecond, time.Millisecond/4))
			for i := range 50 {
				w.send(time.Duration(i)*time.Microsecond, c.crowd(i))
			}
			var ada []*visit
			var next func()
			next = func() {
				if len(ada) == 5 {
					return
				}
				r := c.ada
				r.Prompt, r.MaxTokens = distinct(uint64(1000+len(ada)), 60), 10
				v := w.send(max(w.clock, time.Second)+c.think, r)
				v.then = next
				ada = append(ada, v)
			}
			next()
			w.run(nil)
			require.Len(t, ada, 5)
			for i, v := range ada {
				require.LessOrEqual(t, v.wait(), 2*w.longest, "request %d, which came at %s", i, v.at)
			}
			if c.batch == 8 {
				require.LessOrEqual(t, w.longest, gap*102/100)
			}
			require.Zero(t, stats(t, w.system).Leased)
		})
	}
}

// A prompt of 32,000 tokens comes while eight agents stream: no step is longer than the target, and the prompt gets as much of each as fits.
func TestStreamsGoOnBesideALongPrompt(t *testing.T) {
	const gap, length = 200 * time.Millisecond, 32_000
	for name, c := range map[string]struct {
		token time.Duration
		noise float64
	}{"even": {time.Millisecond, 0}, "uneven": {time.Millisecond, 0.2}, "a block takes longer than the target": {3 * time.Millisecond, 0.1}} {
		t.Run(name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 1))
			plain := costs(5*time.Millisecond, 2*time.Millisecond, c.token)
			prefilled, decodes := 0, 0
			w := newTimed(t, enginetest.Options{Context: 40_000, BlockTokens: 32, Blocks: 2500}, actors.Config{MaxGap: gap}, func(rows []runtime.Row) time.Duration {
				for _, r := range rows {
					if len(r.Tokens) > 1 {
						prefilled += len(r.Tokens)
					} else {
						decodes++
					}
				}
				return time.Duration(float64(plain(rows)) * (1 + c.noise*rng.Float64()))
			})
			var readers []*visit
			for i := range 8 {
				readers = append(readers, w.send(0, actors.Request{Agent: fmt.Sprint(i), Prompt: distinct(uint64(i), 100), MaxTokens: 4000, IgnoreEOS: true}))
			}
			long := w.send(3*time.Second, actors.Request{Agent: "long", Prompt: distinct(99, length), MaxTokens: 2})
			w.run(func() bool { return long.done })
			most := time.Duration(0)
			for _, r := range readers {
				for i := 1; i < len(r.tokens); i++ {
					if r.tokens[i-1] > long.at-gap {
						most = max(most, r.tokens[i]-r.tokens[i-1])
					}
				}
			}
			t.Logf("longest gap %s; the prompt took %s", most, long.wait())
			require.LessOrEqual(t, most, gap)
			// What it costs alone, and what is lost to the steps of the others, to blocks that do not fit as a whole, and to caution.
			alone := plain([]runtime.Row{{Tokens: make([]int32, length)}})
			require.Less(t, long.wait(), alone*3/2)
		})
	}
}
