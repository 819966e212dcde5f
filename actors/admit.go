package actors

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// serve gives out what blocks there are: first to running requests that need their next one, oldest first, then to those that wait, in turn. When there are
// too few, loose blocks go, then the memories of idle agents, least recently used first, to disk if there is one; when that is not enough and somebody
// stands still, the youngest running request gives way. It is admitted again later.
//
// When there is no room for the one whose turn it is, one of somebody who crowds it out gives way too.
//
// A request whose next missing block is being computed by another one waits for that and lets others pass; so does one whose agent is on disk, until it
// was read.
//
// The oldest request never gives way to a younger one and nobody can need more than the whole pool, so there is always one that gets on.
func (p *pool) serve(ctx actor.Context) {
	for t := p.wanting(); t != nil; t = p.wanting() {
		if !p.makeRoom(ctx, nil, func() int { return 1 - p.ledger.Available() }) {
			p.preempt(ctx)
			return
		}
		blocks, _ := p.ledger.Take(1)
		t.blocks = append(t.blocks, blocks...)
		t.wants, t.stalled = false, false
		p.charge(t, p.info.BlockTokens)
		ctx.Send(p.batcher, &granted{id: t.id, blocks: blocks})
	}
	waiting := p.waiting()
	t := popTurn(&waiting)
	for t != nil {
		if p.away(t) {
			t = popTurn(&waiting)
			continue
		}
		if !p.fits(t) {
			p.giveWay(ctx, t)
			break
		}
		if r := p.restore(t); len(r.Load) > 0 {
			if !p.makeRoom(ctx, t.seat, func() int { return p.lacking(r) }) {
				break
			}
			p.load(ctx, t, r)
			t = popTurn(&waiting)
			continue
		}
		m := p.match(t)
		if !p.makeRoom(ctx, t.seat, func() int { return p.short(t, m) }) {
			p.giveWay(ctx, t)
			break
		}
		p.queue.Remove(t)
		p.admit(ctx, t, m)
		waiting = p.waiting() // what was charged may change whose turn it is
		t = popTurn(&waiting)
	}
	if p.Store != nil {
		for n := 0; t != nil && n < p.MaxBatch; n++ {
			p.loadAhead(ctx, t)
			t = popTurn(&waiting)
		}
	}
}

// wanting returns the oldest running request that needs a block, or nil.
func (p *pool) wanting() *ticket {
	for _, t := range p.running {
		if t.wants && !t.yielding {
			return t
		}
	}
	return nil
}

// next returns the first in the queue that waits for nothing but room, or nil.
func (p *pool) next() *ticket {
	for i := range p.queue.Len() {
		if t := p.queue.At(i); !p.away(t) {
			return t
		}
	}
	return nil
}

// follows reports whether a waiting request should wait until another one has computed what both need.
func (p *pool) follows(t *ticket) bool {
	if p.computing.Has(t.awaits) {
		return true
	}
	m := p.match(t)
	most := (len(t.tokens) - 1) / p.info.BlockTokens
	last, wait := p.computing.Awaits(t.keys[min(m.Length/p.info.BlockTokens, most):most])
	t.awaits = last
	return wait
}

// match finds what need not be computed of what a request knows.
func (p *pool) match(t *ticket) runtime.Match {
	var own *runtime.Lease
	common := 0
	if t.seat != nil && t.seat.memory != nil {
		own = t.seat.memory.lease
		common = runtime.CommonPrefix(t.seat.memory.tokens, t.tokens)
	}
	return p.ledger.Match(len(t.tokens), t.keys, own, common, p.info.BlockTokens)
}

// fits reports whether a request could be admitted now.
func (p *pool) fits(t *ticket) bool { return len(p.running) < p.MaxBatch && p.claim(t) <= p.room() }

// fitsBeside reports whether a request could be admitted when all that wait already are.
func (p *pool) fitsBeside(t *ticket) bool {
	if len(p.running)+p.queue.Len() >= p.MaxBatch {
		return false
	}
	claims := p.claim(t)
	p.queue.All(func(q *ticket) { claims += p.claim(q) })
	return claims <= p.room()
}

// room returns how many blocks there could be for requests that are admitted now.
func (p *pool) room() int { return p.ledger.Count(runtime.Free) + p.ledger.Count(runtime.Cached) }

// claim returns how many blocks of that room a request would take: those that it lacks, and those that are cached and would be its own.
func (p *pool) claim(t *ticket) int {
	m := p.match(t)
	n := p.limits.Grant(len(t.tokens), t.end) - len(m.Blocks)
	for _, b := range m.Blocks {
		if p.ledger.State(b) == runtime.Cached {
			n++
		}
	}
	if t.state == halted {
		// It gave way once. Unless everybody has a block to spare it would only have to do so again.
		n += len(p.running)
	}
	return n
}

// short returns how many blocks are missing to admit a request that found m.
func (p *pool) short(t *ticket, m runtime.Match) int {
	n := p.limits.Grant(len(t.tokens), t.end) - len(m.Blocks) - p.ledger.Available()
	used := make(map[runtime.BlockID]bool, len(m.Blocks))
	for _, b := range m.Blocks {
		used[b] = true
		if p.ledger.IsLoose(b) {
			n++
		}
	}
	if t.seat != nil && t.seat.memory != nil {
		for _, b := range t.seat.memory.lease.Blocks {
			if !used[b] && p.ledger.Sole(b) {
				n-- // superseded
			}
		}
	}
	return n
}

// admit gives a request its blocks and lets its agent begin, or go on. There is room.
func (p *pool) admit(ctx actor.Context, t *ticket, m runtime.Match) {
	miss := p.missed(t)
	p.ledger.Lease(m.Blocks)
	if s := t.seat; s != nil && s.memory != nil {
		p.release(s) // what the prompt has no use for is superseded
	}
	if m.Write {
		p.ledger.Withdraw(m.Blocks[len(m.Blocks)-1])
	}
	blocks, ok := p.ledger.Take(p.limits.Grant(len(t.tokens), t.end) - len(m.Blocks))
	if !ok {
		panic("actors: there is no room for a request that there was room for")
	}
	t.blocks = slices.Concat(m.Blocks, blocks)
	t.length, t.saved = m.Length, nil
	p.computing.Begin(t.id, t.keys[m.Length/p.info.BlockTokens:])
	lease := &runtime.Lease{BlockTokens: p.info.BlockTokens, Blocks: slices.Clone(t.blocks), Length: m.Length}
	p.stats.WaitTime += p.Now().Sub(t.since)

	resumed := t.state == halted
	t.state, t.began = running, p.stats.Steps
	t.runs(1)
	t.place.Paused = false
	p.running = insertByAge(p.running, t)
	if resumed {
		ctx.Send(t.pid, &resume{id: t.id, lease: lease})
		return
	}
	p.charge(t, len(t.tokens)-m.Length+min(t.outputs, p.info.BlockTokens))
	p.stats.Admitted++
	p.stats.Hits += uint64(m.Length)
	p.stats.Misses += uint64(len(t.tokens) - m.Length)
	if s := t.seat; s != nil {
		s.requests++
		s.cachedTokens += uint64(m.Length)
		s.lost = false
	}
	t.pid = p.agentFor(ctx, t)
	ctx.Send(t.pid, &prompt{id: t.id, request: t.request, keys: t.keys, stream: t.stream, lease: lease, miss: miss, outputs: t.outputs})
}

// agentFor returns the actor that answers a request: its agent's, or a new one.
func (p *pool) agentFor(ctx actor.Context, t *ticket) *actor.PID {
	if t.seat != nil && t.seat.pid != nil {
		return t.seat.pid
	}
	pid := p.spawnAgent(ctx, t)
	if t.seat != nil {
		t.seat.pid = pid
	}
	return pid
}

// makeRoom lets go of idle agents until nothing is short, and reports whether that could be done at once. If not, because they must be written to disk
// before, the next message from the keeper brings us back here. keep is spared.
func (p *pool) makeRoom(ctx actor.Context, keep *seat, short func() int) bool {
	for {
		n := short()
		if n <= 0 {
			return true
		}
		if coming := p.coming(); coming > 0 && coming >= n {
			return false
		}
		s := p.victim(keep)
		switch {
		case s == nil:
			return false
		case p.Store == nil || p.clean(s) || s.failed:
			p.letGo(ctx, s)
		default:
			p.hibernate(ctx, s)
		}
	}
}

// victim returns the idle agent that makes room next, or nil if there is none but those that are on their way to disk already.
func (p *pool) victim(keep *seat) *seat {
	var seats []*seat
	var idle []runtime.Idle
	for e := p.idle.Front(); e != nil; e = e.Next() {
		s := e.Value.(*seat)
		if s == keep || s.job != nil && s.job.leaving {
			continue
		}
		seats = append(seats, s)
		idle = append(idle, runtime.Idle{Agent: s.id, Blocks: len(s.memory.lease.Blocks), Pinned: s.pinned, Waiting: s.ticket != nil})
	}
	if i := runtime.Victim(idle, int(p.MaxShare*float64(p.ledger.Total()))); i >= 0 {
		return seats[i]
	}
	return nil
}

// hibernate has an idle agent written to disk because others need its blocks. When it is there it can be let go.
func (p *pool) hibernate(ctx actor.Context, s *seat) {
	if s.job == nil {
		p.save(ctx, s, true, nil)
		return
	}
	s.job.leaving = true // whatever it is: when it is over we look again
}

// coming returns how many blocks can be had when the keeper is done with what it does.
func (p *pool) coming() (n int) {
	for _, j := range p.jobs {
		for _, b := range j.held {
			leases, holds := p.ledger.References(b)
			if leases == 0 && (holds == 1 && j.ticket == nil || holds == 2 && j.leaving && j.memory != nil && j.memory == j.seat.memory) {
				n++
			}
		}
	}
	return n
}

// preempt makes the youngest running request give way if somebody stands still for want of a block and none is on its way home.
func (p *pool) preempt(ctx actor.Context) {
	stalled := false
	for _, t := range p.running {
		if t.yielding {
			return
		}
		stalled = stalled || t.stalled
	}
	if !stalled {
		return
	}
	if p.coming() > 0 || len(p.running) == 1 {
		return // room comes from disk
	}
	youngest := p.running[len(p.running)-1]
	youngest.yielding = true
	ctx.Send(youngest.pid, &preempt{id: youngest.id})
}

func insertByAge(running []*ticket, t *ticket) []*ticket {
	i := len(running)
	for i > 0 && running[i-1].id > t.id {
		i--
	}
	running = append(running, nil)
	copy(running[i+1:], running[i:])
	running[i] = t
	return running
}
