package actors

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// HandleFailure implements actor.SupervisorStrategy for the pool's children. A child that panics is replaced behind the same address, so nothing in its
// mailbox is lost. The old instance ends what it had: an agent its request, the batcher its leases.
func (p *pool) HandleFailure(_ *actor.ActorSystem, s actor.Supervisor, child *actor.PID, _ *actor.RestartStatistics, _, _ any) {
	s.RestartChildren(child)
}

func (p *pool) props(producer actor.Producer, options ...actor.PropsOption) *actor.Props {
	return actor.PropsFromProducer(producer, append(options, actor.WithDispatcher(p.Dispatcher))...)
}

// spawnAgent starts the actor that answers a request.
func (p *pool) spawnAgent(ctx actor.Context, t *ticket) *actor.PID {
	name, label := "agent "+t.request.Agent, "agent "+runtime.Pseudonym(t.request.Agent)
	if t.seat == nil || t.seat.id == "" {
		name = fmt.Sprintf("agent of request %d", t.id)
		label = name
	}
	return ctx.Spawn(p.props(func() actor.Actor { return &agent{house: p.house, name: name, label: label, batcher: p.batcher} }))
}

// rest checks the books if nothing runs, or always under invariants, and tells those who wait for the end that it came.
func (p *pool) rest(ctx actor.Context) {
	if p.Check || len(p.tickets) == 0 {
		p.check()
	}
	if len(p.tickets) == 0 && len(p.drained) > 0 {
		drained := p.drained
		p.drained = nil
		p.saveAll(ctx, func() {
			for _, done := range drained {
				close(done)
			}
		})
	}
}

// check panics unless every reference that the ledger has is that of a request, a seat or a job, and whoever may write to a block is alone with it.
func (p *pool) check() {
	if err := p.ledger.Check(); err != nil {
		panic(err)
	}
	type references struct{ leases, holds int }
	want := make([]references, p.ledger.Total())
	for _, t := range p.tickets {
		for _, b := range t.blocks {
			want[b].leases++
		}
		if t.state == running {
			p.checkWrites(t)
		}
	}
	for e := p.idle.Front(); e != nil; e = e.Next() {
		for _, b := range e.Value.(*seat).memory.lease.Blocks {
			want[b].holds++
		}
	}
	for _, j := range p.jobs {
		for _, b := range j.held {
			want[b].holds++
		}
		for k, i := range j.restore.Load {
			if b := j.held[i]; !p.ledger.Sole(b) || p.ledger.Published(b) {
				panic(fmt.Sprintf("actors: block %d is read from disk as the %dth for a request, and others use it", b, k))
			}
		}
	}
	for i, w := range want {
		if leases, holds := p.ledger.References(runtime.BlockID(i)); leases != w.leases || holds != w.holds {
			panic(fmt.Sprintf("actors: the ledger has %d leases and %d holds of block %d, requests have %d, and agents and jobs %d", leases, holds, i, w.leases, w.holds))
		}
	}
	if len(p.running) == 0 && len(p.jobs) == 0 && len(p.computing) > 0 {
		panic(fmt.Sprintf("actors: %d blocks are to be computed, and nobody runs", len(p.computing)))
	}
}

func (p *pool) checkWrites(t *ticket) {
	for _, b := range t.blocks[t.length/p.info.BlockTokens:] {
		if !p.ledger.Sole(b) || p.ledger.Published(b) {
			panic(fmt.Sprintf("actors: request %d writes to block %d, and others read it", t.id, b))
		}
	}
}

// crash ends the process if the pool panics: its books are wrong or may be, and whatever was served from them could be somebody else's.
func (p *pool) crash() {
	if r := recover(); r != nil {
		stack := debug.Stack()
		p.Logger.Error("the pool supervisor failed", slog.Any("reason", r))
		p.Fatal(fmt.Sprintf("the pool supervisor failed: %v\n%s", r, stack))
	}
}

// logPanic logs a panic with its stack, which supervision does not see, and lets it go on to supervision.
func (h *house) logPanic(who string) {
	if r := recover(); r != nil {
		h.Logger.Error("actor panicked", slog.String("actor", who), slog.Any("reason", r), slog.String("stack", string(debug.Stack())))
		panic(r)
	}
}
