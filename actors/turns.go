package actors

import (
	"container/heap"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// enter makes a request one of those that compete for room.
func (p *pool) enter(t *ticket) {
	owner := p.fair.Enter(t.request.Owner)
	if owner.Inner == nil {
		owner.Inner = runtime.NewFair()
	}
	t.place = runtime.Place{ID: t.id, Owner: owner, Agent: owner.Inner.Enter(t.request.party()), Class: t.request.Class}
}

// leave is the opposite of enter: the request is over.
func (p *pool) leave(t *ticket) {
	t.place.Owner.Inner.Leave(t.place.Agent)
	p.fair.Leave(t.place.Owner)
}

// charge counts what a request uses.
func (p *pool) charge(t *ticket, tokens int) {
	cost := float64(tokens) * t.place.Class.Price()
	t.place.Owner.Inner.Charge(t.place.Agent, cost)
	p.fair.Charge(t.place.Owner, cost)
}

// runs counts a request among those that run, or not any more.
func (t *ticket) runs(n int) {
	t.place.Agent.Running += n
	t.place.Owner.Running += n
}

// turns are requests that wait. Pop gives them in the order in which it is their turn.
type turns []*ticket

func (w turns) Len() int           { return len(w) }
func (w turns) Less(i, j int) bool { return w[i].place.Before(w[j].place) }
func (w turns) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *turns) Push(x any)        { *w = append(*w, x.(*ticket)) }

func (w *turns) Pop() any {
	last := len(*w) - 1
	t := (*w)[last]
	*w = (*w)[:last]
	return t
}

// waiting returns those in the queue, to be popped. It is valid until somebody is admitted or charged.
func (p *pool) waiting() turns {
	w := make(turns, 0, p.queue.Len())
	p.queue.All(func(t *ticket) { w = append(w, t) })
	heap.Init(&w)
	return w
}

// popTurn returns the next one, or nil.
func popTurn(w *turns) *ticket {
	if w.Len() == 0 {
		return nil
	}
	return heap.Pop(w).(*ticket)
}

// giveWay lets the youngest request of whoever has the most running make room for one that waits, if it should (see [runtime.Place.GivesWayTo]) and those
// that should are enough. The oldest request never does, so there is always one that gets on. When the blocks are home we look again.
func (p *pool) giveWay(ctx actor.Context, t *ticket) {
	if t.place.Paused || p.coming() > 0 {
		return
	}
	var victim *ticket
	could := p.room()
	for i, r := range p.running {
		if r.yielding {
			return
		}
		if i == 0 || !r.place.GivesWayTo(t.place) {
			continue
		}
		could += len(r.blocks)
		if victim == nil || r.place.Agent.Running >= victim.place.Agent.Running {
			victim = r
		}
	}
	if victim == nil || p.claim(t) > could {
		return
	}
	victim.yielding, victim.polite = true, true
	ctx.Send(victim.pid, &preempt{id: victim.id})
}
