package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// serve gives out what blocks there are: first to running requests that need their next one, oldest first, then to the queue in its order. When there are
// too few, the caches of idle agents go, least recently used first; when that is not enough and somebody stands still, the youngest running request
// gives way. It is admitted again later and computes its blocks anew.
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
			t.held++
			t.wants, t.stalled = false, false
			ctx.Send(p.batcher, &granted{id: t.id, blocks: blocks})
			continue
		}
		t, ok := p.queue.Front()
		if !ok {
			return
		}
		if !p.fits(t) {
			return
		}
		p.admit(ctx, t)
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

// fits reports whether a request could be admitted now.
func (p *pool) fits(t *ticket) bool {
	if len(p.running) >= p.MaxBatch {
		return false
	}
	fresh, own := p.fresh(t)
	if t.state == halted {
		// It gave way once. Unless everybody has a block to spare it would only have to do so again.
		fresh += len(p.running)
	}
	return fresh <= p.ledger.Count(runtime.Free)+p.ledger.Count(runtime.Cached)-own
}

// fresh returns how many blocks a request needs beside those that are parked with its agent, and how many those are.
func (p *pool) fresh(t *ticket) (fresh, own int) {
	if t.seat != nil && t.seat.lease != nil {
		own = len(t.seat.lease.Blocks)
	}
	return max(p.limits.Grant(t.tokens, t.end)-own, 0), own
}

// admit gives a request its blocks and lets its agent begin, or go on. It fits.
func (p *pool) admit(ctx actor.Context, t *ticket) {
	p.queue.Remove(t)
	lease := &runtime.Lease{BlockTokens: p.info.BlockTokens}
	fresh, _ := p.fresh(t)
	if s := t.seat; s != nil && s.lease != nil {
		lease = s.lease
		s.lease = nil
		p.idle.Remove(s.place)
		p.ledger.Unpark(lease.Blocks)
	}
	if want := p.limits.Grant(t.tokens, t.end); len(lease.Blocks) > want {
		surplus := lease.Blocks[want:]
		lease.Blocks = lease.Blocks[:want]
		lease.Length = min(lease.Length, lease.Capacity())
		p.ledger.Give(surplus)
	}
	if !p.makeRoom(ctx, fresh) {
		panic("actors: a request that fits does not fit")
	}
	blocks, _ := p.ledger.Take(fresh)
	lease.Extend(blocks)
	t.held = len(lease.Blocks)
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
	ctx.Send(t.pid, &prompt{id: t.id, request: t.request, stream: t.stream, lease: lease, named: t.seat != nil, outputs: t.outputs})
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

// makeRoom makes n blocks free if forgetting idle agents is enough for that, and reports whether it is.
func (p *pool) makeRoom(ctx actor.Context, n int) bool {
	if n > p.ledger.Count(runtime.Free)+p.ledger.Count(runtime.Cached) {
		return false
	}
	for p.ledger.Count(runtime.Free) < n {
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

// forget frees the blocks of an idle agent. There is no disk to save its history to yet.
func (p *pool) forget(ctx actor.Context, s *seat) {
	p.ledger.Unpark(s.lease.Blocks)
	p.ledger.Give(s.lease.Blocks)
	p.idle.Remove(s.place)
	ctx.Poison(s.pid)
	s.lease, s.place, s.pid = nil, nil, nil
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
