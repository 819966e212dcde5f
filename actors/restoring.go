package actors

import (
	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// seek finds out what there is on disk of use to a request: what its agent saved, if that is not in the pool, and the beginning of its prompt, whoever
// saved that, if the pool does not have the whole prompt.
//
// An agent in the pool asks for nothing while its prompts go on from what it knows, because what they add is new; nor while it is being written, which
// could take longer than to compute the prompt.
func (p *pool) seek(ctx actor.Context, t *ticket) {
	s := t.seat
	need := func() (own, any bool) {
		hot := s != nil && s.memory != nil
		if p.Store == nil || hot && (s.job != nil && s.job.ticket == nil || missOf(s.memory.tokens, t.tokens) == Miss{}) {
			return false, false
		}
		own = !hot && s != nil && (s.id != "" || s.diskBlocks > 0)
		return own, own || p.match(t).Length/p.info.BlockTokens < (len(t.tokens)-1)/p.info.BlockTokens
	}
	if _, any := need(); !any {
		t.sought = true
		return
	}
	if s == nil {
		s = &seat{name: pausedName(t.request.Owner, t.id), ticket: t}
		t.seat = s
	}
	p.whenFree(ctx, s, func(ctx actor.Context) {
		if s.ticket != t {
			return
		}
		own, any := need()
		if t.sought = !any; t.sought {
			return
		}
		j := &diskJob{id: p.nextJob(), seat: s, ticket: t, memory: s.memory}
		m := &seek{job: j.id, keys: t.keys}
		if own {
			m.agent, m.name = s.id, s.name
		}
		j.message = m
		p.begin(ctx, j)
	})
}

// found notes what is on disk for a request.
func (p *pool) found(ctx actor.Context, m *found) {
	j := p.finish(m.job)
	s, t := j.seat, j.ticket
	if m.err != nil {
		p.storeFailed("find", s.name, m.err)
	}
	switch {
	case j.memory != nil: // the agent itself was not looked for
	case m.manifest == nil:
		s.lost = s.lost || s.diskBlocks > 0 // it was there
		s.diskBlocks = 0
	default:
		s.disk, s.diskBlocks = m.manifest.Blocks[len(m.manifest.Blocks)-1], len(m.manifest.Blocks)
		s.pinned = m.manifest.Pinned
	}
	if s.ticket == t && s.memory == j.memory { // else nobody waits for this, or the memory was let go and is looked for next
		t.sought, t.saved, t.borrowed = true, m.manifest, false
		if m.manifest != nil {
			p.realign(t, m.manifest.Tokens[:m.manifest.Length])
			p.estimate(t)
		}
		switch {
		case m.manifest != nil || s.id == "" || j.memory != nil:
		case m.err != nil:
			t.miss = Miss{Why: MissDamaged}
		case m.foreign:
			t.miss = Miss{Why: MissTag}
		}
		p.borrow(t, m.prefix)
	}
	p.afterJob(ctx, s)
}

// borrow has a request begin with blocks that others saved, if these are more of its prompt than what its agent saved, or than what is in the pool.
//
// To an agent in the pool they are what blocks of others in the pool are: it has no use for a part of one, and what it knows itself stays until the
// request is admitted.
func (p *pool) borrow(t *ticket, prefix []runtime.BlockKey) {
	n := len(prefix)
	if t.seat.memory != nil {
		n = min(n, (len(t.tokens)-1)/p.info.BlockTokens)
	}
	if n == 0 || n > len(t.keys) || t.keys[n-1] != prefix[n-1] { // it was aligned with what its agent saved
		return
	}
	length := n * p.info.BlockTokens
	if length <= p.known(t) {
		return
	}
	t.miss = p.missed(t)
	t.saved = &runtime.Manifest{Tag: p.info.Tag, Tokens: t.tokens[:length], Length: length, Blocks: prefix[:n]}
	t.borrowed = true
	p.estimate(t)
}

// away reports whether a request in the queue waits for something else than room: for what is on disk, or for what another one computes or reads.
func (p *pool) away(t *ticket) bool {
	if !t.sought {
		return true
	}
	if s := t.seat; s != nil && s.job != nil && (s.job.ticket == t || t.saved != nil) {
		return true
	}
	return p.follows(t)
}

// restore says what is to be read from disk for a request; nothing, mostly, or if there can be no room for it beside what its agent knows.
func (p *pool) restore(t *ticket) (r runtime.Restore) {
	if t.saved == nil {
		return r
	}
	r = runtime.PlanRestore(t.tokens, t.saved, p.info.BlockTokens, func(key runtime.BlockKey) bool {
		_, ok := p.ledger.Lookup(key)
		return ok
	})
	if m := t.seat.memory; m != nil && len(r.Blocks)+len(m.lease.Blocks) > p.room() {
		return runtime.Restore{}
	}
	return r
}

// lacking returns how many blocks are missing for what a restore reads.
func (p *pool) lacking(r runtime.Restore) int {
	loose := 0
	next := r.Load
	for i, key := range r.Blocks {
		if len(next) > 0 && next[0] == i {
			next = next[1:]
			continue
		}
		if b, _ := p.ledger.Lookup(key); p.ledger.IsLoose(b) {
			loose++
		}
	}
	return len(r.Load) + loose - p.ledger.Available()
}

// load has blocks read into the pool for a request that waits. There is room. They become the memory of its agent, from which it is admitted like any
// other, or go into the index if that has one. Whoever needs the same blocks waits for them.
func (p *pool) load(ctx actor.Context, t *ticket, r runtime.Restore) {
	j := &diskJob{id: p.nextJob(), seat: t.seat, ticket: t, restore: r, after: p.written}
	j.held = make([]runtime.BlockID, len(r.Blocks))
	next := r.Load
	var shared []runtime.BlockID
	for i, key := range r.Blocks {
		if len(next) > 0 && next[0] == i {
			next = next[1:]
			continue
		}
		j.held[i], _ = p.ledger.Lookup(key)
		shared = append(shared, j.held[i])
	}
	p.ledger.Hold(shared)
	fresh, ok := p.ledger.Take(len(r.Load))
	if !ok {
		panic("actors: there is no room to read what there was room for")
	}
	p.ledger.Park(fresh)
	m := &load{job: j.id, blocks: fresh}
	for k, i := range r.Load {
		j.held[i] = fresh[k]
		m.keys = append(m.keys, r.Blocks[i])
	}
	if t.miss.Why == "" {
		t.miss = missOf(t.saved.Tokens[:t.saved.Length], t.tokens)
	}
	p.computing.Begin(t.id, r.Blocks[:r.Length/p.info.BlockTokens])
	j.message = m
	p.begin(ctx, j)
}

// loaded makes what was read the memory of an agent, or puts it into the index if that has one. If a block could not be read it ends before that, and the
// rest is computed.
func (p *pool) loaded(ctx actor.Context, m *loaded) {
	j := p.finish(m.job)
	s, r, bt := j.seat, j.restore, p.info.BlockTokens
	full := r.Length / bt
	p.computing.End(j.ticket.id, r.Blocks[:full])
	length := r.Length
	if m.n < len(r.Load) {
		length = r.Load[m.n] * bt
		if !j.ticket.borrowed || !refused(m.err) { // what others saved they may have deleted meanwhile
			p.storeFailed("load", s.name, m.err)
			j.ticket.miss = Miss{Position: length, Why: MissDamaged}
			s.diskBlocks = 0 // it is not there as a whole
		}
	}
	p.stats.RestoreTime += m.took
	p.stats.RestoredBytes += uint64(m.n) * uint64(p.info.BlockBytes)
	keep := (length + bt - 1) / bt
	p.ledger.Drop(j.held[keep:], true)
	blocks := j.held[:keep:keep]
	for i := range min(full, keep) {
		if b := p.ledger.Publish(blocks[i], r.Blocks[i]); b != blocks[i] { // somebody computed it meanwhile
			p.ledger.Hold([]runtime.BlockID{b})
			p.ledger.Drop(blocks[i:i+1], true)
			blocks[i] = b
		}
	}
	saved := j.ticket.saved
	j.ticket.saved, j.ticket.borrowed = nil, false
	switch {
	case keep > 0 && s.ticket != j.ticket: // nobody wants it any more; it is on disk
		p.ledger.Drop(blocks, false)
	case keep > 0 && s.memory != nil: // which goes when the request is admitted
		p.stats.Restores++
		p.ledger.Drop(blocks, false)
	case keep > 0:
		p.stats.Restores++
		tokens := saved.Tokens[:length:length]
		j.ticket.restored = &memory{
			tokens: tokens, keys: runtime.Keys(p.info.Tag, j.ticket.request.Owner, bt, tokens, r.Blocks[:length/bt]),
			lease: &runtime.Lease{BlockTokens: bt, Blocks: blocks, Length: length},
		}
		p.remember(s, j.ticket.restored)
	}
	if s.ticket == j.ticket {
		p.estimate(j.ticket) // it may be less than was expected
	}
	p.afterJob(ctx, s)
}

// realign lets the prompt of a request that waits go on from what its agent knows, if both spell the same further than they have tokens in common: the
// text that a client sends back is often not tokenised as it was generated. It does so only where it saves work.
func (p *pool) realign(t *ticket, known []int32) {
	common := runtime.CommonPrefix(known, t.tokens)
	if p.Piece == nil || t.state != waiting || common == len(known) || common == len(t.tokens) {
		return
	}
	keep, rest := runtime.Realign(known, t.tokens, common, p.Piece)
	tokens := append(known[:keep:keep], t.tokens[rest:]...)
	found := p.ledger.Match(len(t.tokens), t.keys, nil, 0, p.info.BlockTokens).Length
	if len(tokens)-keep >= len(t.tokens)-max(common, found) || p.limits.CheckPrompt(len(tokens)) != nil {
		return
	}
	t.request.Prompt, t.tokens = tokens, tokens
	t.keys = runtime.Chain(p.info.Tag, t.request.Owner, p.info.BlockTokens, tokens, t.keys[:common/p.info.BlockTokens])
	t.outputs = p.limits.Outputs(len(tokens), t.request.MaxTokens)
	t.end = runtime.End(len(tokens), t.outputs)
	p.stats.Realigned++
}

// missOf compares what an agent knew with its prompt.
func missOf(known, prompt []int32) (m Miss) {
	if c := runtime.CommonPrefix(known, prompt); c < len(known) && c < len(prompt) {
		m = Miss{Position: c, Why: MissTokens}
	}
	return m
}

// missed says why the prompt of a request is not cached further than it is. Only an agent that has an id could have known more.
func (p *pool) missed(t *ticket) Miss {
	s := t.seat
	switch {
	case s == nil || s.id == "" || t.miss.Why != "":
		return t.miss
	case s.memory != nil:
		return missOf(s.memory.tokens, t.tokens)
	case t.saved != nil:
		return missOf(t.saved.Tokens[:t.saved.Length], t.tokens)
	case s.lost:
		return Miss{Why: MissEvicted}
	case s.requests == 0:
		return Miss{Why: MissNew}
	}
	return Miss{}
}

// loadAhead reads for requests that cannot be admitted yet what there is room for without taking it from anybody.
func (p *pool) loadAhead(ctx actor.Context, t *ticket) {
	if t.saved == nil || p.away(t) {
		return
	}
	if r := p.restore(t); len(r.Load) > 0 && p.lacking(r) <= 0 {
		p.load(ctx, t, r)
	}
}
