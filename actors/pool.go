package actors

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// pool is the supervisor of everything. It owns the ledger, the memories of idle agents and the queue of requests that wait, and decides who is admitted,
// who shares with whom, who makes room and who is refused. It is the parent of the batcher and of all agents.
type pool struct {
	*house
	system  *System
	batcher *actor.PID
	keeper  *actor.PID // nil without a store

	ledger    *runtime.Ledger
	tickets   map[uint64]*ticket     // every request that is not over, or whose blocks are not all home
	running   []*ticket              // admitted, in order of age
	queue     runtime.Queue[*ticket] // waiting or paused, in order of arrival
	fair      *runtime.Fair          // between owners, each of whom has one for his agents
	computing runtime.Computing      // blocks that running requests are about to publish
	seats     map[string]*seat       // agents by id
	idle      *list.List             // seats with a memory, least recently used first
	cold      *list.List             // seats with nothing, likewise

	jobs      map[uint64]*diskJob // what the keeper does, or will do
	lastJob   uint64
	delayed   []*diskJob  // jobs that wait for the step in flight
	written   uint64      // the last step that may write to blocks of leases that are home
	stepped   uint64      // the last step that is over
	unsaved   *list.List  // seats that know what is not on disk, longest first
	stopTimer func() bool // of the tick that will come; nil: none

	closing  error             // not nil: refuse with it
	stopping bool              // nothing matters any more
	drained  []chan<- struct{} // closed when no ticket is left
	stats    poolStats
	speeds   speeds
}

func newPool(s *System) *pool {
	return &pool{
		house: s.house, system: s,
		ledger: runtime.NewLedger(s.info.Blocks), computing: runtime.Computing{}, fair: runtime.NewFair(),
		tickets: map[uint64]*ticket{}, seats: map[string]*seat{}, idle: list.New(), cold: list.New(),
		jobs: map[uint64]*diskJob{}, unsaved: list.New(),
		stats: newPoolStats(s.house),
	}
}

// Receive implements actor.Actor. After every message the books are checked, or at least whenever nothing runs.
func (p *pool) Receive(ctx actor.Context) {
	defer p.crash()
	p.see("pool", ctx.Message())
	if p.stopping {
		if _, ok := ctx.Message().(*actor.Stopped); ok {
			p.abandon()
		}
		return // a child that is spawned now would never be stopped
	}
	switch m := ctx.Message().(type) {
	case *actor.Started:
		p.batcher = ctx.Spawn(p.props(func() actor.Actor { return newBatcher(p.house, p.system.loop) }, p.system.mail.batcher.option()))
		if p.Store != nil {
			p.keeper = ctx.Spawn(p.props(func() actor.Actor { return &keeper{house: p.house, desk: p.system.desk} }, p.system.mail.keeper.option()))
			p.dropPaused(ctx)
		}
	case *generate:
		p.generate(ctx, m)
	case *cancel:
		p.cancel(ctx, m)
	case *need:
		p.need(ctx, m)
	case *paused:
		p.paused(ctx, m)
	case *ended:
		p.ended(ctx, m)
	case *surplus:
		p.surplus(ctx, m)
	case *report:
		p.stats.step(m.stepReport)
		p.speeds.observe(m)
		p.stepOver(ctx, m.step)
		if !p.progress(m.progress) {
			return
		}
	case *saved:
		p.saved(ctx, m)
	case *found:
		p.found(ctx, m)
	case *loaded:
		p.loaded(ctx, m)
	case *amended:
		p.amended(ctx, m)
	case *tick:
		p.tick(ctx)
	case *flush:
		p.closing = m.err
		p.saveAll(ctx, func() { close(m.done) })
	case *statsRequest:
		m.reply <- p.snapshot()
		return
	case *agentsRequest:
		m.reply <- p.describe(m)
		return
	case *cacheRequest:
		m.reply <- p.cacheInfo()
		return
	case *order:
		p.order(ctx, m)
	case *drain:
		p.closing = m.err
		p.drained = append(p.drained, m.done)
	case *reopen:
		p.closing, p.drained = nil, nil
	case *cancelAll:
		for _, t := range p.byAge() {
			p.abort(ctx, t, m.err)
		}
	case *actor.Stopping:
		p.stopping = true
		if p.stopTimer != nil {
			p.stopTimer()
		}
		return
	default:
		return
	}
	p.serve(ctx)
	p.rest(ctx)
}

// generate queues a request, unless it is refused.
func (p *pool) generate(ctx actor.Context, m *generate) {
	n := len(m.request.Prompt)
	outputs := p.limits.Outputs(n, m.request.MaxTokens)
	t := &ticket{
		id: m.id, request: m.request, stream: m.stream, tokens: m.request.Prompt, keys: m.keys,
		outputs: outputs, end: runtime.End(n, outputs), since: p.Now(),
	}
	p.estimate(t)
	if err := p.refusal(m.ctx, t); err != nil {
		p.stats.Refused++
		m.reply <- err
		return
	}
	if id := m.request.Agent; id != "" {
		// While an agent has a request, a second one is a fork: it neither waits nor touches the first one's state.
		if s := p.seatOf(id); s.ticket == nil {
			s.ticket, t.seat = t, s
			if s.memory != nil {
				p.realign(t, s.memory.tokens)
				p.estimate(t)
			}
		}
	}
	p.tickets[t.id] = t
	p.enter(t)
	p.queue.Push(t)
	m.reply <- nil
	p.seek(ctx, t)
}

// known returns how many tokens of a request that waits are in the pool or, as far as we know, saved.
func (p *pool) known(t *ticket) int {
	n := p.match(t).Length
	if t.saved != nil {
		n = max(n, runtime.CommonPrefix(t.saved.Tokens[:t.saved.Length], t.tokens))
	}
	return n
}

// estimate notes how much of a request that waits is to be computed.
func (p *pool) estimate(t *ticket) { t.lacks = max(len(t.tokens)-p.known(t), 1) }

// refusal returns why a request cannot even wait, or nil.
func (p *pool) refusal(client context.Context, t *ticket) error {
	if p.closing != nil {
		return p.closing
	}
	if err := client.Err(); err != nil { // its cancel may have come before it
		return err
	}
	queued, own := 0, 0
	p.queue.All(func(q *ticket) {
		queued += q.lacks
		if q.request.Agent == t.request.Agent {
			own++
		}
	})
	if most := max(1, p.MaxQueue/2); t.request.Agent != "" && p.MaxQueue > 0 && own >= most {
		err := runtime.Errorf(runtime.Busy, "this agent has %d requests that wait, which is as many as one agent may have", own)
		err.RetryAfter = p.retryAfter(t, queued)
		return err
	}
	if n := p.queue.Len(); n < p.MaxQueue && (n == 0 || p.MaxQueueTokens < 0 || queued+t.lacks <= p.MaxQueueTokens) {
		return nil
	}
	// Those in the queue wait for the disk or for what others compute. When they go on there is room for this one too.
	if p.next() == nil && p.fitsBeside(t) {
		return nil
	}
	err := runtime.Errorf(runtime.Busy, "the server is full: %d requests run and %d wait, with %d tokens", len(p.running), p.queue.Len(), queued)
	err.RetryAfter = p.retryAfter(t, queued)
	return err
}

// cancel ends a request because its client left.
func (p *pool) cancel(ctx actor.Context, m *cancel) {
	if t, ok := p.tickets[m.id]; ok {
		p.abort(ctx, t, m.err)
	}
}

// abort ends a request, wherever it is.
func (p *pool) abort(ctx actor.Context, t *ticket, err error) {
	switch t.state {
	case waiting:
		p.drop(t, err)
	case halted, running:
		p.queue.Remove(t)
		ctx.Send(t.pid, &cancel{id: t.id, err: err})
	}
}

// drop ends a request that was never admitted: no agent knows it.
//
// What was read for it is let go: it is on disk, where its agent may have more.
func (p *pool) drop(t *ticket, err error) {
	p.queue.Remove(t)
	p.leave(t)
	if s := t.seat; s != nil && s.memory != nil && s.memory == t.restored {
		p.release(s)
	}
	p.leaveSeat(t)
	delete(p.tickets, t.id)
	t.stream.finish(Outcome{PromptTokens: len(t.request.Prompt), Err: err})
}

// need notes that a running request wants its next block.
func (p *pool) need(_ actor.Context, m *need) {
	if t, ok := p.tickets[m.id]; ok && t.state == running {
		t.wants = true
		t.stalled = t.stalled || m.stalled
	}
}

// progress publishes the blocks of prompts that a step completed, and reports whether there were any.
func (p *pool) progress(list []progress) (any bool) {
	for _, m := range list {
		if t, ok := p.tickets[m.id]; ok && t.state == running {
			p.publish(t, m.length)
			t.began = p.stats.Steps
			any = true
		}
	}
	return any
}

// publish notes that the first length positions of a running request are computed, and puts their full blocks into the index.
func (p *pool) publish(t *ticket, length int) {
	from, to := t.length/p.info.BlockTokens, min(length/p.info.BlockTokens, len(t.keys))
	for i := from; i < to; i++ {
		p.ledger.Publish(t.blocks[i], t.keys[i])
	}
	if from < to {
		p.computing.End(t.id, t.keys[from:to])
	}
	t.length = max(t.length, length)
}

// paused takes back the blocks of a request that gave way. It goes on when it is its turn, see [runtime.Place.Before].
//
// What it knows, up to its last full block, is now the memory of an agent that is idle and whose request waits: it goes to disk if there is one, others take
// the blocks when they need them, and it comes back like any other.
func (p *pool) paused(ctx actor.Context, m *paused) {
	t := p.tickets[m.id]
	p.written = max(p.written, m.step)
	t.place.Paused = !t.polite
	p.leaveBatch(t)
	t.tokens, t.keys = m.tokens, m.keys
	p.publish(t, m.lease.Length)
	t.state, t.since, t.sought = halted, p.Now(), true
	if t.seat == nil {
		t.seat = &seat{name: pausedName(t.request.Owner, t.id), ticket: t}
	}
	if full := m.lease.Length / p.info.BlockTokens; full > 0 {
		p.remember(t.seat, p.keepMemory(t, m.lease, t.tokens[:full*p.info.BlockTokens], t.keys[:full]))
		if p.Store != nil {
			p.hibernate(ctx, t.seat)
		}
	} else {
		p.giveBack(t, m.lease.Blocks, true)
	}
	p.estimate(t)
	p.queue.Push(t)
	p.stats.Preempted++
}

// ended books the end of a request. What it leaves is the memory of its agent, or, if that has a newer request or no id, blocks in the index where the
// next request finds them.
func (p *pool) ended(ctx actor.Context, m *ended) {
	t := p.tickets[m.id]
	p.leaveBatch(t)
	p.queue.Remove(t)
	p.leave(t)
	t.state = over
	p.written = max(p.written, m.step)
	if m.tokens != nil {
		p.speeds.answers.Observe(len(m.tokens)+1-len(t.request.Prompt), t.outputs)
		t.tokens, t.keys = m.tokens, m.keys
		p.publish(t, len(m.tokens))
		if s := t.seat; s != nil && s.id != "" && len(m.tokens) > 0 {
			p.remember(s, p.keepMemory(t, m.lease, m.tokens, m.keys))
			p.setUnsaved(s)
			m.lease = nil
		}
	}
	if m.lease != nil {
		p.giveBack(t, m.lease.Blocks, false)
	}
	p.leaveSeat(t)
	p.forgetPaused(ctx, t)
	p.settle(ctx, t)
}

// surplus takes back blocks that came too late for their request.
func (p *pool) surplus(ctx actor.Context, m *surplus) {
	t := p.tickets[m.id]
	p.written = max(p.written, m.step)
	p.giveBack(t, m.blocks, false)
	if t.state == over {
		p.settle(ctx, t)
	}
}

// settle forgets a request that is over once its blocks are all home, and lets its agent go unless the agent has a seat to remember.
func (p *pool) settle(ctx actor.Context, t *ticket) {
	if len(t.blocks) > 0 {
		return
	}
	delete(p.tickets, t.id)
	if t.seat == nil || t.seat.pid != t.pid {
		ctx.Poison(t.pid) // behind whatever is still in its mailbox
	}
}

// leaveSeat lets a ticket's agent be idle. A request that was dropped leaves the memory of its agent alone.
func (p *pool) leaveSeat(t *ticket) {
	s := t.seat
	if s == nil {
		return
	}
	s.ticket, s.lastUsed = nil, p.Now()
	if s.memory == nil {
		s.pid = nil
	}
	p.retire(s)
}

// leaveBatch ends what a request computes. Whoever waits for that goes on without.
func (p *pool) leaveBatch(t *ticket) {
	p.computing.End(t.id, t.keys)
	p.running = slices.DeleteFunc(p.running, func(x *ticket) bool { return x == t })
	if t.state == running {
		t.runs(-1)
	}
	t.wants, t.stalled, t.yielding, t.polite = false, false, false, false
}

// giveBack ends leases that are booked on a ticket.
func (p *pool) giveBack(t *ticket, blocks []runtime.BlockID, cold bool) {
	home := make(map[runtime.BlockID]bool, len(blocks))
	for _, b := range blocks {
		home[b] = true
	}
	before := len(t.blocks)
	t.blocks = slices.DeleteFunc(t.blocks, func(b runtime.BlockID) bool { return home[b] })
	if before-len(t.blocks) != len(blocks) {
		panic(fmt.Sprintf("actors: request %d gives back blocks %v, and had only %d of them", t.id, blocks, before-len(t.blocks)))
	}
	p.ledger.Give(blocks, cold)
}

// byAge returns all tickets, oldest first.
func (p *pool) byAge() []*ticket {
	all := make([]*ticket, 0, len(p.tickets))
	for _, t := range p.tickets {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *ticket) int { return int(int64(a.id) - int64(b.id)) })
	return all
}

// abandon fails the requests that nobody can answer any more. All children have stopped, so nobody else writes to a stream.
func (p *pool) abandon() {
	for _, t := range p.byAge() {
		t.stream.finish(Outcome{PromptTokens: len(t.request.Prompt), Err: p.system.closedErr()})
	}
	close(p.system.stopped)
}

func isContext(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
