package actors

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// States of an agent.
const (
	stateRunning    = "running"
	stateWaiting    = "waiting"
	stateIdle       = "idle"
	stateHibernated = "hibernated"
)

// describe returns what the pool knows of agents. One that it only remembers has no state.
func (p *pool) describe(m *agentsRequest) (out []AgentInfo) {
	for id, s := range p.seats {
		if strings.HasPrefix(id, m.prefix) && m.pass(id) {
			out = append(out, p.describeSeat(s))
		}
	}
	return out
}

func (p *pool) describeSeat(s *seat) AgentInfo {
	a := AgentInfo{ID: s.id, LastUsed: s.lastUsed, Requests: s.requests, CachedTokens: s.cachedTokens, Pinned: s.pinned}
	var blocks []runtime.BlockID
	if s.memory != nil {
		a.State, a.Tokens, blocks = stateIdle, len(s.memory.tokens), s.memory.lease.Blocks
	}
	if t := s.ticket; t != nil {
		a.State, a.LastUsed = stateWaiting, p.Now()
		if t.state == running {
			a.State, a.Tokens, blocks = stateRunning, len(t.tokens), t.blocks
		}
	}
	a.Hot, a.Bytes = len(blocks), int64(len(blocks))*p.info.BlockBytes
	for _, b := range blocks {
		if leases, holds := p.ledger.References(b); leases+holds > 1 {
			a.Shared++
		}
	}
	return a
}

func (p *pool) cacheInfo() CacheInfo {
	s := &p.stats
	return CacheInfo{
		Blocks: p.ledger.Total(), Free: p.ledger.Count(runtime.Free), Leased: p.ledger.Count(runtime.Leased), Cached: p.ledger.Count(runtime.Cached),
		Shared: p.ledger.Shared(), BlockTokens: p.info.BlockTokens, BlockBytes: p.info.BlockBytes, AgentsHot: p.hotAgents(),
		Hits: s.Hits, Misses: s.Misses, Evictions: p.ledger.Evicted(), Hibernations: s.Hibernations, Restores: s.Restores,
		SavedBytes: s.SavedBytes, RestoredBytes: s.RestoredBytes,
	}
}

func (p *pool) hotAgents() (n int) {
	for _, s := range p.seats {
		if s.memory != nil || s.ticket != nil && s.ticket.state == running {
			n++
		}
	}
	return n
}

// order carries out what somebody wants of an agent. Whatever needs the disk is done by the keeper, and the answer comes then.
func (p *pool) order(ctx actor.Context, o *order) {
	if p.closing != nil {
		o.reply <- p.closing
		return
	}
	s := p.seatOf(o.agent)
	defer p.retire(s)
	p.whenFree(ctx, s, func(ctx actor.Context) {
		switch o.do {
		case saveAgent:
			p.saveOrder(ctx, s, o)
		case hibernateAgent:
			p.hibernateOrder(ctx, s, o)
		case forkAgent:
			p.forkOrder(ctx, s, o)
		case pinAgent:
			p.pinOrder(ctx, s, o)
		case deleteAgent:
			p.deleteOrder(ctx, s, o)
		}
	})
}

func errRunning(id string) error {
	_, name := runtime.SplitAgent(id)
	return runtime.Errorf(runtime.Conflict, "agent %q answers a request", name)
}

func errNoDisk() error {
	return runtime.Errorf(runtime.Invalid, "this server keeps nothing on disk")
}

// hot reports whether the pool knows something of an agent.
func (s *seat) hot() bool { return s.memory != nil || s.ticket != nil && s.ticket.state == running }

// onDisk answers an order by what is on disk: with nil if the agent is there and do succeeds.
func (p *pool) onDisk(ctx actor.Context, s *seat, o *order, do func(runtime.Store, runtime.Manifest) error) {
	if p.Store == nil {
		o.reply <- unknownAgent(o.agent)
		return
	}
	p.amend(ctx, s, func(store runtime.Store) error {
		m, err := store.Manifest(s.name)
		if runtime.KindOf(err) == runtime.Unknown {
			return unknownAgent(o.agent)
		}
		if err != nil || do == nil {
			return err
		}
		return do(store, m)
	}, func(_ actor.Context, err error) { o.reply <- err })
}

// noBlock is for manifests whose blocks are all on disk.
func noBlock(int) ([]byte, error) { return nil, errors.New("a block that was on disk is lost") }

func (p *pool) saveOrder(ctx actor.Context, s *seat, o *order) {
	switch {
	case !s.hot():
		p.onDisk(ctx, s, o, nil)
	case p.Store == nil:
		o.reply <- errNoDisk()
	default:
		p.save(ctx, s, false, func(_ actor.Context, err error) { o.reply <- err })
	}
}

func (p *pool) hibernateOrder(ctx actor.Context, s *seat, o *order) {
	switch {
	case s.ticket != nil:
		o.reply <- errRunning(o.agent)
	case s.memory == nil:
		p.onDisk(ctx, s, o, nil)
	case p.Store == nil:
		o.reply <- errNoDisk()
	default:
		p.save(ctx, s, true, func(ctx actor.Context, err error) {
			if err == nil && s.ticket == nil && p.clean(s) {
				p.letGo(ctx, s)
			}
			o.reply <- err
		})
	}
}

func (p *pool) pinOrder(ctx actor.Context, s *seat, o *order) {
	if s.hot() || s.diskBlocks > 0 { // on disk, and its request may wait: what it saves next says so too
		s.pinned = o.on
	}
	switch {
	case s.memory != nil && p.Store != nil:
		p.save(ctx, s, false, func(_ actor.Context, err error) { o.reply <- err })
	case s.hot() && s.diskBlocks == 0:
		o.reply <- nil // its manifest will say so
	default:
		p.onDisk(ctx, s, o, func(store runtime.Store, m runtime.Manifest) error {
			m.Pinned = o.on
			return store.Save(m, noBlock)
		})
	}
}

func (p *pool) deleteOrder(ctx actor.Context, s *seat, o *order) {
	if s.ticket != nil {
		o.reply <- errRunning(o.agent)
		return
	}
	known := s.memory != nil
	if known {
		blocks := s.memory.lease.Blocks
		p.release(s)
		p.ledger.Discard(blocks)
		p.setSaved(s)
		if s.pid != nil {
			ctx.Poison(s.pid)
			s.pid = nil
		}
	}
	switch {
	case p.Store == nil || o.on && known:
		if !known {
			o.reply <- unknownAgent(o.agent)
			return
		}
		o.reply <- nil
	case o.on:
		p.onDisk(ctx, s, o, nil)
	default:
		s.diskBlocks = 0
		p.amend(ctx, s, func(store runtime.Store) error {
			if _, err := store.Manifest(s.name); !known && runtime.KindOf(err) == runtime.Unknown {
				return unknownAgent(o.agent)
			}
			return store.Delete(s.name)
		}, func(_ actor.Context, err error) { o.reply <- err })
	}
	s.requests, s.cachedTokens, s.pinned, s.lost = 0, 0, false, false
}

// forkOrder makes sure that the new agent is not there yet, and then forks in the pool or, if the old one is not there, on disk.
func (p *pool) forkOrder(ctx actor.Context, s *seat, o *order) {
	from, _ := runtime.SplitAgent(o.agent)
	owner, name := runtime.SplitAgent(o.to)
	if from != owner {
		o.reply <- runtime.Errorf(runtime.Invalid, "an agent cannot be forked for another owner, who shares no blocks with it")
		return
	}
	exists := runtime.Errorf(runtime.Invalid, "agent %q is there already", name)
	to := p.seatOf(o.to)
	fork := func(ctx actor.Context, err error) {
		if err == nil && (to == s || to.ticket != nil || to.memory != nil) {
			err = exists
		}
		switch {
		case err != nil:
			o.reply <- err
		case p.forkHot(s, to):
			o.reply <- nil
		default:
			p.whenFree(ctx, s, func(ctx actor.Context) {
				p.onDisk(ctx, s, o, func(store runtime.Store, m runtime.Manifest) error {
					m.Agent, m.SavedAt, m.Pinned = to.name, p.Now(), false
					return store.Save(m, noBlock)
				})
			})
		}
	}
	if p.Store == nil || to == s {
		fork(ctx, nil)
		p.retire(to)
		return
	}
	p.whenFree(ctx, to, func(ctx actor.Context) {
		p.amend(ctx, to, func(store runtime.Store) error {
			_, err := store.Manifest(to.name)
			switch {
			case err == nil:
				return exists
			case runtime.KindOf(err) == runtime.Unknown:
				return nil
			}
			return err
		}, fork)
	})
}

// forkHot gives a seat that has nothing a copy of what another one knows in the pool, and reports whether that is anything.
func (p *pool) forkHot(s, to *seat) bool {
	m := p.copyOf(s)
	if m == nil {
		return false
	}
	p.remember(to, m)
	to.lastUsed = p.Now()
	p.setUnsaved(to)
	return true
}

// copyOf makes another memory of what an agent knows in the pool, on the same blocks: whoever goes on first computes a partial one anew. It is nil if that
// is nothing.
func (p *pool) copyOf(s *seat) *memory {
	m := &memory{lease: &runtime.Lease{BlockTokens: p.info.BlockTokens}}
	switch t := s.ticket; {
	case s.memory != nil:
		m.tokens, m.keys, m.lease.Blocks = s.memory.tokens, s.memory.keys, slices.Clone(s.memory.lease.Blocks)
	case t != nil && t.state == running:
		n := min(t.length/p.info.BlockTokens, len(t.keys))
		m.tokens, m.keys, m.lease.Blocks = t.tokens[:n*p.info.BlockTokens], t.keys[:n], slices.Clone(t.blocks[:n])
	}
	if len(m.keys) == 0 {
		return nil
	}
	m.lease.Length = len(m.tokens)
	p.ledger.Hold(m.lease.Blocks)
	return m
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
