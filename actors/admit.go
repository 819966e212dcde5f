package actors

import (
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// serve gives out what blocks there are: first to running requests that need their next one, oldest first, then to the queue in its order. When there are
// too few, loose blocks go, then the memories of idle agents, least recently used first; when that is not enough and somebody stands still, the youngest
// running request gives way. It is admitted again later and computes anew what is gone by then.
//
// A request whose next missing block is being computed by another one waits for that and lets others pass.
//
// The oldest request never gives way to a younger one and nobody can need more than the whole pool, so there is always one that gets on.
func (p *pool) serve(ctx actor.Context) {
	for {
		if t := p.wanting(); t != nil {
			if !p.makeRoom(ctx, 1) {
				p.preempt(ctx)
				return
			}
			blocks, _ := p.ledger.Take(1)
			t.blocks = append(t.blocks, blocks...)
			t.wants, t.stalled = false, false
			ctx.Send(p.batcher, &granted{id: t.id, blocks: blocks})
			continue
		}
		t := p.next()
		if t == nil || !p.fits(t) {
			return
		}
		p.admit(ctx, t)
	}
}

// next returns the first in the queue that does not wait for what another request computes, or nil.
func (p *pool) next() (next *ticket) {
	p.queue.All(func(t *ticket) {
		if next == nil && !p.follows(t) {
			next = t
		}
	})
	return next
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

// wanting returns the oldest running request that needs a block, or nil.
func (p *pool) wanting() *ticket {
	for _, t := range p.running {
		if t.wants && !t.yielding {
			return t
		}
	}
	return nil
}

// fits reports whether a request could be admitted now.
func (p *pool) fits(t *ticket) bool {
	if len(p.running) >= p.MaxBatch {
		return false
	}
	m := p.match(t)
	fresh := p.limits.Grant(len(t.tokens), t.end) - len(m.Blocks)
	if t.state == halted {
		// It gave way once. Unless everybody has a block to spare it would only have to do so again.
		fresh += len(p.running)
	}
	room := p.ledger.Count(runtime.Free) + p.ledger.Count(runtime.Cached)
	for _, b := range m.Blocks {
		if p.ledger.State(b) == runtime.Cached {
			room-- // it is needed as it is
		}
	}
	return fresh <= room
}

// admit gives a request its blocks and lets its agent begin, or go on. It fits.
func (p *pool) admit(ctx actor.Context, t *ticket) {
	p.queue.Remove(t)
	m := p.match(t)
	p.ledger.Lease(m.Blocks)
	if s := t.seat; s != nil && s.memory != nil {
		p.ledger.Drop(s.memory.lease.Blocks, true) // what the prompt has no use for is superseded
		p.idle.Remove(s.place)
		s.memory, s.place = nil, nil
	}
	if m.Write {
		p.ledger.Withdraw(m.Blocks[len(m.Blocks)-1])
	}
	fresh := p.limits.Grant(len(t.tokens), t.end) - len(m.Blocks)
	if !p.makeRoom(ctx, fresh) {
		panic("actors: a request that fits does not fit")
	}
	blocks, _ := p.ledger.Take(fresh)
	t.blocks = slices.Concat(m.Blocks, blocks)
	t.length = m.Length
	p.computing.Begin(t.id, t.keys[m.Length/p.info.BlockTokens:])
	lease := &runtime.Lease{BlockTokens: p.info.BlockTokens, Blocks: slices.Clone(t.blocks), Length: m.Length}
	p.stats.WaitTime += p.Now().Sub(t.since)

	resumed := t.state == halted
	t.state = running
	p.running = insertByAge(p.running, t)
	if resumed {
		ctx.Send(t.pid, &resume{id: t.id, lease: lease})
		return
	}
	p.stats.Admitted++
	t.pid = p.agentFor(ctx, t)
	ctx.Send(t.pid, &prompt{id: t.id, request: t.request, keys: t.keys, stream: t.stream, lease: lease, outputs: t.outputs})
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

// makeRoom makes n blocks available if forgetting idle agents is enough for that, and reports whether it is.
func (p *pool) makeRoom(ctx actor.Context, n int) bool {
	if n > p.ledger.Count(runtime.Free)+p.ledger.Count(runtime.Cached) {
		return false
	}
	for p.ledger.Available() < n {
		p.forget(ctx, p.victim())
	}
	return true
}

// victim returns the least recently used idle agent; one whose next request waits only if there is no other.
func (p *pool) victim() *seat {
	for e := p.idle.Front(); e != nil; e = e.Next() {
		if s := e.Value.(*seat); s.ticket == nil {
			return s
		}
	}
	return p.idle.Front().Value.(*seat)
}

// forget lets go of the memory of an idle agent. What others do not hold is taken next. There is no disk to save it to yet.
func (p *pool) forget(ctx actor.Context, s *seat) {
	p.ledger.Drop(s.memory.lease.Blocks, true)
	p.idle.Remove(s.place)
	ctx.Poison(s.pid)
	s.memory, s.place, s.pid = nil, nil, nil
	if s.ticket == nil {
		delete(p.seats, s.id)
	}
	p.stats.Forgotten++
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
