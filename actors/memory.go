package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// memory is a context at rest: what an agent knows between two requests, and the blocks that hold it. Each of the blocks has a hold in the ledger; the
// full ones are published.
type memory struct {
	tokens []int32            // lease.Length of them; read only
	keys   []runtime.BlockKey // of the blocks, the partial one included: the last one stands for all that is known
	lease  *runtime.Lease
	told   func(SaveReport) // when it was saved; nil: nobody, or it is done
}

// last returns the key that stands for all of it.
func (m *memory) last() runtime.BlockKey { return m.keys[len(m.keys)-1] }

// tell tells whose request left it that it was saved, or not. A nil memory is of nobody.
func (m *memory) tell(r SaveReport) {
	if m == nil || m.told == nil {
		return
	}
	m.told(r)
	if r.Err == nil {
		m.told = nil
	}
}

// keepMemory makes a memory of a lease that came home, whose blocks are leased to a ticket. A block whose contents somebody else published before is
// exchanged for that one, so that what agents have in common is held once.
func (p *pool) keepMemory(t *ticket, lease *runtime.Lease, tokens []int32, keys []runtime.BlockKey) *memory {
	p.giveBack(t, lease.Truncate(len(tokens)), true)
	own := lease.Blocks
	lease.Blocks = make([]runtime.BlockID, len(own))
	for i, b := range own {
		if i < len(keys) {
			b = p.ledger.Publish(b, keys[i])
		}
		lease.Blocks[i] = b
	}
	p.ledger.Hold(lease.Blocks)
	p.giveBack(t, own, true)
	return &memory{tokens: tokens, keys: runtime.Keys(p.info.Tag, t.request.Owner, p.info.BlockTokens, tokens, keys), lease: lease, told: t.request.Saved}
}

// remember gives an agent a memory while it is idle or its request waits.
func (p *pool) remember(s *seat, m *memory) { s.memory, s.place = m, p.idle.PushBack(s) }

// release ends the holds of an agent's memory. What nobody else refers to is taken next.
func (p *pool) release(s *seat) {
	p.ledger.Drop(s.memory.lease.Blocks, true)
	p.idle.Remove(s.place)
	s.memory, s.place, s.failed = nil, nil, false
}

// letGo makes an agent forget, so that others get its blocks. What is on disk of it comes back with its next request.
func (p *pool) letGo(ctx actor.Context, s *seat) {
	s.lost = !p.clean(s)
	if s.lost {
		p.stats.Forgotten++
	} else {
		p.stats.Hibernations++
	}
	p.release(s)
	p.setSaved(s)
	if s.pid != nil && (s.ticket == nil || s.ticket.state == waiting) {
		ctx.Poison(s.pid)
		s.pid = nil
	}
	if t := s.ticket; t != nil {
		t.sought = false
		p.seek(ctx, t)
	}
	p.retire(s)
}

// retire lets go of a seat that has neither a request nor a memory nor business on disk. The last ones of them are kept for what was counted.
func (p *pool) retire(s *seat) {
	if s.ticket != nil || s.memory != nil || s.job != nil || len(s.afterwards) > 0 || s.cold != nil {
		return
	}
	if s.id == "" {
		return
	}
	if s.requests == 0 {
		delete(p.seats, s.id)
		return
	}
	s.cold = p.cold.PushBack(s)
	if p.cold.Len() > maxCold {
		oldest := p.cold.Remove(p.cold.Front()).(*seat)
		delete(p.seats, oldest.id)
	}
}

// seatOf returns the seat of an agent, a new one if need be.
func (p *pool) seatOf(id string) *seat {
	s := p.seats[id]
	if s == nil {
		s = &seat{id: id, name: savedName(id, p.info.Tag)}
		p.seats[id] = s
	}
	if s.cold != nil {
		p.cold.Remove(s.cold)
		s.cold = nil
	}
	return s
}
