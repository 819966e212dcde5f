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

func (p *pool) props(producer actor.Producer) *actor.Props {
	return actor.PropsFromProducer(producer, actor.WithDispatcher(p.Dispatcher))
}

// spawnAgent starts the actor that answers a request.
func (p *pool) spawnAgent(ctx actor.Context, t *ticket) *actor.PID {
	name := "agent " + t.request.Agent
	if t.seat == nil {
		name = fmt.Sprintf("agent of request %d", t.id)
	}
	return ctx.Spawn(p.props(func() actor.Actor { return &agent{house: p.house, name: name, batcher: p.batcher} }))
}

// rest checks the books if nothing runs, or always under invariants, and tells those who wait for the end that it came.
func (p *pool) rest() {
	if p.Check || len(p.tickets) == 0 {
		p.check()
	}
	if len(p.tickets) == 0 {
		for _, done := range p.drained {
			close(done)
		}
		p.drained = nil
	}
}

// check panics unless every block is accounted for: in the ledger, and with the request or the seat that it is booked on.
func (p *pool) check() {
	if err := p.ledger.Check(); err != nil {
		panic(err)
	}
	leased, cached := 0, 0
	for _, t := range p.tickets {
		leased += t.held
	}
	for e := p.idle.Front(); e != nil; e = e.Next() {
		cached += len(e.Value.(*seat).lease.Blocks)
	}
	if l, c := p.ledger.Count(runtime.Leased), p.ledger.Count(runtime.Cached); l != leased || c != cached {
		panic(fmt.Sprintf("actors: the ledger has %d leased and %d cached blocks, requests hold %d and agents %d", l, c, leased, cached))
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
