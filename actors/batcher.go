package actors

import (
	"fmt"
	"log/slog"
	"slices"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// batcher computes the tokens of every lent lease, as many leases in a step as there are. It owns the lent leases and their samplers.
//
// It never waits: while a step is in flight it still takes and returns leases. A lease may be returned although the step in flight writes to its
// blocks: the engine computes steps one after the other, and whoever gets the blocks next writes every position before it reads it. Only reads and writes
// to disk must wait, so the number of that step goes with the lease.
type batcher struct {
	*house
	loop *engineLoop

	rows  []*row // lent leases in order of arrival
	byID  map[uint64]*row
	turn  int              // grows with each step; see runtime.PlanStep
	fair  *runtime.Fair    // between those whose prompts are prefilled
	cost  runtime.StepCost // of steps, as measured
	solo  []part           // members of a step that failed, still to be tried alone
	woken bool             // a compose is on its way
}

// row is a lent lease and what is left to do with it.
type row struct {
	lend
	blocks  []runtime.BlockID // the lease's, in memory that is only ever appended to: a step in flight reads it
	next    [1]int32          // the token to decode; written only when no step of this row is in flight
	asked   bool              // for a block
	stalled bool              // said so
	// prefilling is whose prompt it is, until the tokens that came with the lease are computed; nil afterwards.
	prefilling *runtime.Party
}

func newBatcher(h *house, loop *engineLoop) *batcher {
	return &batcher{house: h, loop: loop, byID: map[uint64]*row{}, fair: runtime.NewFair()}
}

// Receive implements actor.Actor.
func (b *batcher) Receive(ctx actor.Context) {
	defer b.logPanic("batcher")
	b.see("batcher", ctx.Message())
	switch m := ctx.Message().(type) {
	case *lend:
		b.add(ctx, m)
	case *granted:
		b.extend(ctx, m)
	case *recall:
		if r, ok := b.byID[m.id]; ok {
			b.release(ctx, r, &returned{why: m.why})
		}
	case *compose:
		b.woken = false
		b.compose(ctx)
	case *stepped:
		b.stepped(ctx, m)
	case *actor.Restarting:
		// This instance failed. Its leases go home; the next instance starts without any.
		err := runtime.Errorf(runtime.Internal, "the batch failed")
		for len(b.rows) > 0 {
			b.release(ctx, b.rows[0], &returned{why: byFailure, err: err})
		}
	case *actor.Started:
		b.wake(ctx)
	}
}

func (b *batcher) add(ctx actor.Context, m *lend) {
	r := &row{lend: *m, blocks: slices.Clone(m.lease.Blocks), prefilling: b.fair.Enter(m.party)}
	b.rows = append(b.rows, r)
	b.byID[m.id] = r
	b.wake(ctx)
}

func (b *batcher) extend(ctx actor.Context, m *granted) {
	r, ok := b.byID[m.id]
	if !ok {
		ctx.Send(ctx.Parent(), &surplus{id: m.id, blocks: m.blocks})
		return
	}
	r.lease.Extend(m.blocks)
	r.blocks = append(r.blocks, m.blocks...)
	r.asked, r.stalled = false, false
	b.wake(ctx)
}

// release gives a row's lease back to its agent.
func (b *batcher) release(ctx actor.Context, r *row, m *returned) {
	delete(b.byID, r.id)
	b.rows = slices.DeleteFunc(b.rows, func(x *row) bool { return x == r })
	b.prefilled(r)
	m.id, m.lease, m.step = r.id, r.lease, b.loop.writing(r)
	ctx.Send(r.agent, m)
}

// prefilled notes that a row's prompt needs no more of the chunks.
func (b *batcher) prefilled(r *row) {
	if r.prefilling != nil {
		b.fair.Leave(r.prefilling)
		r.prefilling = nil
	}
}

// wake makes a step start soon, behind the messages that are here already.
func (b *batcher) wake(ctx actor.Context) {
	if !b.woken && b.loop.inflight == nil {
		b.woken = true
		ctx.Send(ctx.Self(), &compose{})
	}
}

// compose starts a step if the engine is idle and there is anything to do.
func (b *batcher) compose(ctx actor.Context) {
	if b.loop.inflight != nil {
		return
	}
	parts := b.nextSolo()
	if parts == nil {
		parts = b.plan()
	}
	if len(parts) == 0 {
		return
	}
	s := &step{parts: parts, rows: make([]runtime.Row, len(parts)), to: ctx.Self()}
	for i, p := range parts {
		r := p.row
		s.rows[i] = runtime.Row{Blocks: r.blocks, Start: r.lease.Length, Tokens: r.tokens[:p.tokens]}
		if p.tokens == len(r.tokens) {
			s.rows[i].Want = r.sampler.Want()
		}
	}
	b.loop.submit(s)
}

func (b *batcher) plan() []part {
	pending := make([]runtime.Pending, len(b.rows))
	parties := b.parties()
	for i, r := range b.rows {
		pending[i] = runtime.Pending{Start: r.lease.Length, Tokens: len(r.tokens), Room: r.lease.Room()}
		if r.prefilling != nil {
			pending[i].Party, pending[i].Price = r.prefilling, r.class.Price()*float64(parties[r.owner])
		}
	}
	shares := runtime.PlanStep(pending, runtime.StepLimits{
		Rows: b.MaxBatch, Chunk: b.PrefillChunk, BlockTokens: b.info.BlockTokens, MaxTime: max(b.MaxGap, 0), Cost: &b.cost,
	}, b.turn)
	b.turn++
	parts := make([]part, len(shares))
	for i, s := range shares {
		parts[i] = part{row: b.rows[s.Index], tokens: s.Tokens}
		if p := pending[s.Index]; p.Party != nil {
			b.fair.Charge(p.Party, float64(s.Tokens)*p.Price)
		}
	}
	return parts
}

// parties counts those of each owner whose prompts are prefilled: they share what is one owner's part.
func (b *batcher) parties() map[string]int {
	if b.fair.Active() == 0 {
		return nil
	}
	seen, count := map[*runtime.Party]bool{}, map[string]int{}
	for _, r := range b.rows {
		if r.prefilling != nil && !seen[r.prefilling] {
			seen[r.prefilling] = true
			count[r.owner]++
		}
	}
	return count
}

// nextSolo returns the next member of a failed step, to be tried alone, or nil if there is none.
func (b *batcher) nextSolo() []part {
	for len(b.solo) > 0 {
		p := b.solo[0]
		b.solo = b.solo[1:]
		if b.holds(p.row) {
			return []part{p}
		}
	}
	return nil
}

// holds reports whether a row is still here: it may have been returned while its step was in flight.
func (b *batcher) holds(r *row) bool { return b.byID[r.id] == r }

func (b *batcher) stepped(ctx actor.Context, m *stepped) {
	b.loop.took(m.step)
	defer b.wake(ctx)
	if m.err == nil {
		b.learn(m.step)
	}
	ctx.Send(ctx.Parent(), &report{step: m.step.number, stepReport: reportOf(m), cost: b.cost, progress: b.progress(m)})
	if m.err != nil {
		b.stepFailed(ctx, m)
		return
	}
	for i, p := range m.step.parts {
		if b.holds(p.row) {
			b.advance(ctx, p, m.results[i])
		}
	}
}

// learn notes how long a step took.
func (b *batcher) learn(s *step) {
	var prefills []runtime.Row
	for _, r := range s.rows {
		if len(r.Tokens) > 1 {
			prefills = append(prefills, r)
		}
	}
	b.cost.Observe(len(s.rows)-len(prefills), prefills, s.took)
}

// progress returns the rows whose prompts have new full blocks after a step. What a lent lease generates it tells when it comes back.
func (b *batcher) progress(m *stepped) (out []progress) {
	if m.err != nil {
		return nil
	}
	for _, p := range m.step.parts {
		r := p.row
		if !b.holds(r) || r.prefilling == nil {
			continue
		}
		if p.tokens == len(r.tokens) {
			b.prefilled(r)
		}
		if length := r.lease.Length + p.tokens; length/b.info.BlockTokens > r.lease.Length/b.info.BlockTokens {
			out = append(out, progress{id: r.id, length: length})
		}
	}
	return out
}

// stepFailed lets every member of the step try again alone, so that only the culprit fails.
func (b *batcher) stepFailed(ctx actor.Context, m *stepped) {
	if parts := m.step.parts; len(parts) > 1 {
		b.Logger.Warn("step failed; its rows are tried one by one", slog.Int("rows", len(parts)), slog.Any("error", m.err))
		b.solo = append(b.solo, parts...)
		return
	}
	b.Logger.Error("step failed", slog.Uint64("request", m.step.parts[0].row.id), slog.Any("error", m.err))
	if r := m.step.parts[0].row; b.holds(r) {
		b.release(ctx, r, &returned{why: byFailure, err: stepError(m.err)})
	}
}

func stepError(cause error) error {
	return &runtime.Error{Kind: runtime.Internal, Message: "the model failed on this request", Err: cause}
}

// advance books what a step did for a row, and samples if the step reached the end of its tokens.
func (b *batcher) advance(ctx actor.Context, p part, res runtime.Result) {
	r := p.row
	r.lease.Advance(p.tokens)
	r.tokens = r.tokens[p.tokens:]
	if len(r.tokens) == 0 && !b.sample(ctx, r, res) {
		return
	}
	if runtime.WantsBlock(r.lease, r.end) && !r.asked {
		r.asked = true
		ctx.Send(ctx.Parent(), &need{id: r.id})
	}
	if r.lease.Room() == 0 && !r.stalled {
		r.stalled = true
		ctx.Send(ctx.Parent(), &need{id: r.id, stalled: true})
	}
}

// sample draws the next token of a row. It reports false if the row ended with it.
func (b *batcher) sample(ctx actor.Context, r *row, res runtime.Result) bool {
	token, err := draw(r.sampler, res)
	if err != nil {
		b.Logger.Error("sampling failed", slog.Uint64("request", r.id), slog.Any("error", err))
		b.release(ctx, r, &returned{why: byFailure, err: stepError(err)})
		return false
	}
	if !r.ignoreEOS && b.Model.Stops(token) {
		b.release(ctx, r, &returned{why: byStop, token: token})
		return false
	}
	ctx.Send(r.agent, &sampled{id: r.id, token: token})
	if r.outputs--; r.outputs == 0 {
		b.release(ctx, r, &returned{why: byLength})
		return false
	}
	r.next[0] = token
	r.tokens = r.next[:]
	return true
}

// draw makes a panic of the sampler, on a result that makes no sense, an error of its own request.
func draw(s *runtime.Sampler, res runtime.Result) (token int32, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the sampler panicked: %v", r)
		}
	}()
	return s.Next(res), nil
}
