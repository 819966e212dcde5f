package simulation

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
	"troupe/runtime/storetest"
)

// world is one run of the simulation.
type world struct {
	*testing.T
	seed   uint64
	rng    *rand.Rand // of the clients; the dispatcher has its own
	pump   *dispatcher
	shape  enginetest.Options
	limits runtime.Limits
	system *actors.System

	clients []*client          // all there ever were
	history map[string][]int32 // of each agent: what its last conversation that ended said
	systems [][]int32          // how prompts begin that have something in common
	counts  map[string]int     // of what happened
	now     time.Time
	timers  []*timer
	config  actors.Config
	store   *disk // nil: none
}

type timer struct {
	at time.Time
	f  func()
}

// client is one request and what its reader has seen.
type client struct {
	request actors.Request
	stream  *actors.Stream
	want    answer
	lazy    bool // reads only at the end
	left    bool // was cancelled
	text    strings.Builder
	started int
	cached  int
	done    bool
}

func newWorld(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := &world{
		T: t, seed: seed, rng: rng,
		pump:    &dispatcher{rng: rand.New(rand.NewPCG(seed, 2))},
		shape:   enginetest.Options{Vocab: 256, Context: 48 + rng.IntN(60), BlockTokens: 4, Blocks: 12 + rng.IntN(80)},
		history: map[string][]int32{}, counts: map[string]int{}, now: time.Unix(0, 0),
	}
	for range 3 {
		var s []int32
		for range 2 + rng.IntN(24) {
			s = append(s, rng.Int32N(200))
		}
		w.systems = append(w.systems, s)
	}
	w.shape.BeforeStep = w.mishap
	w.limits = runtime.Limits{Context: w.shape.Context, Blocks: w.shape.Blocks, BlockTokens: w.shape.BlockTokens}
	if rng.IntN(3) > 0 {
		w.store = &disk{Fake: storetest.NewFake(), rng: rand.New(rand.NewPCG(seed, 3)), counts: w.counts}
	}
	w.config = actors.Config{
		Model:    &model.Model{StopIDs: []int32{endToken}},
		MaxBatch: 1 + rng.IntN(8), MaxQueue: 1 + rng.IntN(8), PrefillChunk: 4 + rng.IntN(20), StreamBuffer: 24, MaxQueueTokens: 20 + rng.IntN(200), MaxGap: time.Duration(rng.IntN(4)-1) * time.Millisecond,
		Decoder: func() actors.Decoder { return hex{} }, Dispatcher: w.pump, Check: true,
		Now:   func() time.Time { w.now = w.now.Add(time.Millisecond); return w.now },
		After: w.after, Fatal: func(reason string) { w.fail("%s", reason) },
	}
	if w.store != nil {
		w.config.Store = w.store
	}
	w.start()
	return w
}

// start starts a system with an empty pool, and what is on disk.
func (w *world) start() {
	var err error
	w.config.Engine = enginetest.NewFake(w.shape)
	w.system, err = actors.Start(w.config)
	require.NoError(w, err)
}

// after is the clock's alarm: it rings between two turns of the world.
func (w *world) after(d time.Duration, f func()) (stop func() bool) {
	t := &timer{at: w.now.Add(d), f: f}
	w.timers = append(w.timers, t)
	return func() bool { t.f = func() {}; return true }
}

func (w *world) ring() {
	due := w.timers
	w.timers = nil
	for _, t := range due {
		if t.at.After(w.now) {
			w.timers = append(w.timers, t)
		} else {
			t.f()
		}
	}
}

func (w *world) fail(format string, args ...any) {
	w.Helper()
	w.Fatalf("seed %d: "+format, append([]any{w.seed}, args...)...)
}

// mishap fails steps: always those with a poisoned row, and now and then one of several rows without any reason.
func (w *world) mishap(rows []runtime.Row) error {
	for _, r := range rows {
		if slices.Contains(r.Tokens, crashToken) {
			w.counts["engine panics"]++
			panic("a token that the engine cannot stand")
		}
		if slices.Contains(r.Tokens, failToken) {
			w.counts["steps failed by a row"]++
			return errors.New("a token that the engine refuses")
		}
	}
	if len(rows) > 1 && w.rng.IntN(20) == 0 {
		w.counts["steps failed for no reason"]++
		return errors.New("bad luck")
	}
	return nil
}

// run lets the world go on, in two lives of the server if there is a disk: between them only that is left.
func (w *world) run() {
	if w.store == nil {
		w.live(150)
		return
	}
	w.live(90)
	w.timers = nil
	w.start()
	w.counts["restarts"]++
	w.live(60)
}

func (w *world) live(turns int) {
	for range turns {
		w.ring()
		switch k := w.rng.IntN(20); {
		case k < 6:
			w.join()
		case k == 6:
			w.leave()
		case k == 7:
			w.now = w.now.Add(3 * time.Second)
		case k == 8:
			w.order()
		default:
			for range w.rng.IntN(30) {
				w.pump.RunOne()
			}
		}
		w.readAll(false)
	}
	for w.pump.RunOne() {
		w.readAll(false)
	}
	w.readAll(true)
	w.end()
}

// join starts a request.
func (w *world) join() {
	r := w.request()
	c := &client{request: r, want: alone(r, w.shape, w.limits), lazy: w.rng.IntN(8) == 0}
	st, err := w.system.Generate(context.Background(), r)
	if err != nil {
		if runtime.KindOf(err) != runtime.Busy {
			w.fail("refused for a bad reason: %v", err)
		}
		w.counts["refused"]++
		return
	}
	c.stream = st
	w.clients = append(w.clients, c)
	w.counts["admitted"]++
}

// request makes up a prompt: a new one, or one that goes on with an agent's conversation, or with another's, or leaves it somewhere.
func (w *world) request() actors.Request {
	r := actors.Request{MaxTokens: w.rng.IntN(40), IgnoreEOS: w.rng.IntN(4) == 0}
	r.Class = runtime.Class(w.rng.IntN(3))
	if w.rng.IntN(4) == 0 {
		r.Owner = "owner"
	}
	if w.rng.IntN(3) > 0 {
		r.Agent = w.agent(r.Owner, 5)
		h := w.history[r.Agent]
		if w.rng.IntN(5) == 0 { // it leaves what it knows for what another one said
			h = w.history[w.agent(r.Owner, 5)]
		}
		r.Prompt = slices.Clone(h[:len(h)-w.rng.IntN(len(h)/3+1)])
	}
	if len(r.Prompt) == 0 && w.rng.IntN(3) > 0 {
		r.Prompt = slices.Clone(w.systems[w.rng.IntN(len(w.systems))])
	}
	if r.Agent == "" && len(w.clients) > 0 && w.rng.IntN(3) == 0 { // what another client said: the same again, or a part of it
		p := w.clients[w.rng.IntN(len(w.clients))].request.Prompt
		r.Prompt = slices.Clone(p[:len(p)-w.rng.IntN(len(p)/2+1)])
	}
	most := w.limits.Positions() - 2
	for n := 1 + w.rng.IntN(24); n > 0 && len(r.Prompt) < most; n-- {
		r.Prompt = append(r.Prompt, w.word())
	}
	if len(r.Prompt) > most {
		r.Prompt = r.Prompt[:most]
	}
	switch w.rng.IntN(12) { // mostly greedy, which is cheap
	case 0:
		r.Sampling = runtime.Sampling{Temperature: 1, Seed: w.rng.Uint64(), PresencePenalty: 1, RepetitionPenalty: 1.1}
	case 1:
		r.Sampling = runtime.Sampling{Temperature: 2, TopK: 40, Seed: w.rng.Uint64()}
	}
	if w.rng.IntN(4) == 0 {
		r.Stops = []string{"zz", fmt.Sprintf("%x", w.rng.IntN(16)) + fmt.Sprintf("%x", w.rng.IntN(16))}
	}
	return r
}

// agent returns the id of one of n agents of an owner.
func (w *world) agent(owner string, n int) string {
	id := fmt.Sprint("agent-", w.rng.IntN(n))
	if owner != "" {
		id = owner + "/" + id
	}
	return id
}

// word returns a token of a prompt; seldom one that somebody cannot stand.
func (w *world) word() int32 {
	id := w.rng.Int32N(256)
	if poisoned([]int32{id}) && w.rng.IntN(8) > 0 {
		return 0
	}
	return id
}

// order does something with an agent, whatever it is doing.
func (w *world) order() {
	ctx := context.Background()
	owner := []string{"", "", "", "owner"}[w.rng.IntN(4)]
	agent, other := w.agent(owner, 5), w.agent(owner, 8)
	var what string
	var err error
	switch w.rng.IntN(6) {
	case 0:
		what, err = "saved by order", w.system.Save(ctx, agent)
	case 1:
		what, err = "hibernated by order", w.system.Hibernate(ctx, agent)
	case 2:
		what, err = "pinned", w.system.Pin(ctx, agent, w.rng.IntN(2) == 0)
	case 3:
		what, err = "deleted", w.system.Delete(ctx, agent, w.rng.IntN(2) == 0)
	case 4:
		what, err = "forked", w.system.Fork(ctx, agent, other)
		if err == nil {
			w.history[other] = w.history[agent]
		}
	default:
		what = "listed"
		var all []actors.AgentInfo
		all, _, err = w.system.Agents(ctx, "", "", 100)
		for _, a := range all {
			if a.Hot == 0 && a.Disk == 0 && a.State != "waiting" && a.State != "running" {
				w.fail("an agent that is nowhere is listed: %+v", a)
			}
		}
	}
	switch kind := runtime.KindOf(err); {
	case err == nil:
		w.counts[what]++
	case kind == runtime.Internal && w.store == nil || kind != runtime.Internal && kind != runtime.Unknown && kind != runtime.Conflict && kind != runtime.Invalid:
		w.fail("%s: %v", what, err)
	}
}

// leave cancels a request, whatever it is doing.
func (w *world) leave() {
	if len(w.clients) == 0 {
		return
	}
	if c := w.clients[w.rng.IntN(len(w.clients))]; !c.done {
		c.left = true
		c.stream.Cancel()
		w.counts["left"]++
	}
}

// readAll reads what the streams have; the lazy ones only when told.
func (w *world) readAll(all bool) {
	for _, c := range w.clients {
		if !c.done && (all || !c.lazy) {
			w.read(c)
		}
	}
}

func (w *world) read(c *client) {
	for {
		select {
		case e, open := <-c.stream.Events():
			if !open {
				c.done = true
				w.judge(c)
				return
			}
			if e.Started {
				c.started++
				c.cached = e.Cached
			}
			c.text.WriteString(e.Text)
		default:
			return
		}
	}
}

// judge compares an answer with what it should have been.
func (w *world) judge(c *client) {
	o, text := c.stream.Outcome(), c.text.String()
	w.counts["ended"]++
	if c.started > 1 || c.started == 0 && (text != "" || o.Err == nil) {
		w.fail("%d events say that the request started", c.started)
	}
	if c.cached > 0 {
		w.counts["reused"]++
	}
	if c.cached >= len(c.request.Prompt) || o.CachedTokens != c.cached && c.started == 1 {
		w.fail("%d of %d prompt tokens were cached, says the event; %d, says the outcome", c.cached, len(c.request.Prompt), o.CachedTokens)
	}
	switch {
	case o.Err == nil:
		if c.want.fails || text != c.want.text || o.Reason != c.want.reason || o.OutputTokens != c.want.tokens {
			w.fail("request %+v\ngot  %q %s %d\nwant %+v", c.request, text, o.Reason, o.OutputTokens, c.want)
		}
		w.counts["answered: "+string(o.Reason)]++
		w.remember(c)
	case errors.Is(o.Err, context.Canceled):
		if !c.left && !c.lazy {
			w.fail("cancelled by nobody: %v", o.Err)
		}
		if c.lazy && !c.left {
			w.counts["too slow"]++
		}
		w.wantPrefix(c, text)
	default:
		if !c.want.fails || runtime.KindOf(o.Err) != runtime.Internal {
			w.fail("request %+v failed for what is not its fault: %v", c.request, o.Err)
		}
		w.counts["failed"]++
		if strings.Contains(o.Err.Error(), "the agent failed") {
			w.counts["agent panics"]++
		}
		w.wantPrefix(c, text)
	}
}

func (w *world) wantPrefix(c *client, text string) {
	if !c.want.fails && !strings.HasPrefix(c.want.text, text) {
		w.fail("the beginning of an answer is %q and should be that of %q", text, c.want.text)
	}
}

// remember keeps what an agent said, so that its next prompt can go on from there.
func (w *world) remember(c *client) {
	if c.request.Agent == "" {
		return
	}
	h := slices.Clone(c.request.Prompt)
	text := c.text.String()
	for i := 0; i+1 < len(text); i += 2 {
		var id int32
		_, err := fmt.Sscanf(text[i:i+2], "%02x", &id)
		require.NoError(w, err)
		h = append(h, id)
	}
	w.history[c.request.Agent] = h[:min(len(h), w.limits.Positions()/2)]
}

// end checks that everything is over and every block is home, and closes the system.
func (w *world) end() {
	for _, c := range w.clients {
		if !c.done {
			w.fail("request %+v never ended", c.request)
		}
	}
	s, err := w.system.Stats(context.Background())
	require.NoError(w, err)
	if s.Leased != 0 || s.Free+s.Cached != s.Blocks || s.Running != 0 || s.Waiting != 0 {
		w.fail("at the end: %+v", s)
	}
	w.counts["preempted"] += int(s.Preempted)
	w.counts["forgotten"] += int(s.Forgotten)
	w.counts["blocks evicted"] += int(s.Evicted)
	w.counts["hibernated"] += int(s.Hibernations)
	w.counts["restored"] += int(s.Restores)
	w.counts["store errors"] += int(s.StoreErrors)
	require.NoError(w, w.system.Close())
}

// fingerprint says what happened, and in which order.
func (w *world) fingerprint() uint64 {
	h := fnv.New64()
	for _, c := range w.clients {
		o := c.stream.Outcome()
		fmt.Fprintln(h, c.text.String(), o.Reason, o.OutputTokens, o.CachedTokens, o.Err)
	}
	_, _ = io.WriteString(h, fmt.Sprint(w.pump.ran, w.counts))
	return h.Sum64()
}
