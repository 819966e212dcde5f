package actors

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// diskJob is something that the keeper does for a seat, or for nobody in particular. A seat has one at a time. It has holds of its own, so that the blocks
// stay what they are whatever becomes of the seat meanwhile.
type diskJob struct {
	id      uint64
	seat    *seat
	held    []runtime.BlockID
	message any    // for the keeper
	after   uint64 // the step that must be over before, because it may write to the blocks

	memory  *memory          // that the seat had then. save: what is saved; nil: the beginning of the prompt of a request that runs
	key     runtime.BlockKey // save: that stands for it
	leaving bool             // save: others need the blocks
	restore runtime.Restore  // load: what is read
	ticket  *ticket          // seek and load: for this request
	done    []func(actor.Context, error)
}

// savedName is under which name an agent is in the store. What another model knew of it has another name, and is left alone.
func savedName(id, tag string) string {
	sum := sha256.Sum256([]byte(tag))
	return id + "@" + hex.EncodeToString(sum[:4])
}

// agentOf is the reverse of savedName. It reports false for another model's agent.
func agentOf(name, tag string) (id string, ok bool) {
	id, ok = strings.CutSuffix(name, savedName("", tag))
	return id, ok && id != ""
}

// pausedName is under which name a paused request of an owner that belongs to no agent is in the store. No agent has such a name.
func pausedName(owner string, request uint64) string {
	return runtime.JoinAgent(owner, fmt.Sprintf("%s%d", pausedPrefix, request))
}

const pausedPrefix = "paused request "

// begin hands a job to the keeper, as soon as no step writes to its blocks.
func (p *pool) begin(ctx actor.Context, j *diskJob) {
	p.jobs[j.id] = j
	if s := j.seat; s != nil {
		if s.job != nil {
			panic(fmt.Sprintf("actors: two jobs at once for %q", s.name))
		}
		s.job = j
	}
	if j.after > p.stepped {
		p.delayed = append(p.delayed, j)
		return
	}
	ctx.Send(p.keeper, j.message)
}

// stepOver hands over the jobs that waited for a step.
func (p *pool) stepOver(ctx actor.Context, step uint64) {
	p.stepped = max(p.stepped, step)
	p.delayed = slices.DeleteFunc(p.delayed, func(j *diskJob) bool {
		if j.after > p.stepped {
			return false
		}
		ctx.Send(p.keeper, j.message)
		return true
	})
}

func (p *pool) nextJob() uint64 {
	p.lastJob++
	return p.lastJob
}

// finish takes a job back from the keeper.
func (p *pool) finish(id uint64) *diskJob {
	j := p.jobs[id]
	delete(p.jobs, id)
	if j.seat != nil {
		j.seat.job = nil
	}
	return j
}

// afterJob runs what waited for the end of a seat's job, and lets go of the seat if nothing is left.
func (p *pool) afterJob(ctx actor.Context, s *seat) {
	for s.job == nil && len(s.afterwards) > 0 {
		next := s.afterwards[0]
		s.afterwards = s.afterwards[1:]
		next(ctx)
	}
	p.retire(s)
}

// whenFree runs f when the keeper does nothing for a seat.
func (p *pool) whenFree(ctx actor.Context, s *seat, f func(actor.Context)) {
	if s.job != nil {
		s.afterwards = append(s.afterwards, f)
		return
	}
	f(ctx)
}

// clean reports whether all that an idle agent knows is on disk.
func (p *pool) clean(s *seat) bool {
	return s.memory != nil && s.diskBlocks > 0 && s.memory.last() == s.disk
}

// save writes to disk what an agent knows: all of it while it is idle, and while its request runs what is computed of the prompt, which begins with what
// the agent knew before. The keeper does nothing else for it at the moment.
func (p *pool) save(ctx actor.Context, s *seat, leaving bool, done func(actor.Context, error)) {
	j := &diskJob{id: p.nextJob(), seat: s, memory: s.memory, leaving: leaving}
	if done != nil {
		j.done = append(j.done, done)
	}
	p.setSaved(s)
	var tokens []int32
	var keys []runtime.BlockKey
	switch t := s.ticket; {
	case s.memory != nil:
		tokens, keys, j.held = s.memory.tokens, s.memory.keys, s.memory.lease.Blocks
	case t != nil && t.state == running:
		n := min(t.length/p.info.BlockTokens, len(t.keys))
		tokens, keys, j.held = t.tokens[:n*p.info.BlockTokens], t.keys[:n], slices.Clone(t.blocks[:n])
	}
	if len(keys) == 0 {
		p.answer(ctx, j, nil)
		return
	}
	if len(tokens)%p.info.BlockTokens != 0 {
		j.after = p.written // a partial block is behind somebody's length
	}
	j.key = keys[len(keys)-1]
	p.ledger.Hold(j.held)
	j.message = &save{job: j.id, blocks: j.held, manifest: runtime.Manifest{
		Agent: s.name, Tag: p.info.Tag, Tokens: tokens, Length: len(tokens), Blocks: keys, SavedAt: p.Now(), Pinned: s.pinned,
	}}
	p.begin(ctx, j)
}

func (p *pool) answer(ctx actor.Context, j *diskJob, err error) {
	for _, done := range j.done {
		done(ctx, err)
	}
}

// saved books what is on disk now. A request does not fail because of the disk: what could not be saved is computed again.
func (p *pool) saved(ctx actor.Context, m *saved) {
	j := p.finish(m.job)
	s := j.seat
	p.ledger.Drop(j.held, true)
	p.stats.SaveTime += m.took
	p.stats.SavedBytes += uint64(m.bytes)
	j.memory.tell(SaveReport{Began: m.began, Took: m.took, Bytes: m.bytes, Err: m.err})
	if m.err == nil {
		s.disk, s.diskBlocks = j.key, len(j.held)
	} else {
		p.storeFailed("save", s.name, m.err)
	}
	s.failed = m.err != nil && s.memory != nil && s.memory == j.memory
	p.saveAgain(m.err == nil)
	p.answer(ctx, j, m.err)
	p.afterJob(ctx, s)
}

// refused reports whether what somebody wanted of an agent on disk cannot be done, which is no failure of the store.
func refused(err error) bool {
	kind := runtime.KindOf(err)
	return kind == runtime.Unknown || kind == runtime.Invalid || kind == runtime.Conflict
}

func (p *pool) storeFailed(what, name string, err error) {
	p.stats.StoreErrors++
	p.Logger.Error("the store failed", slog.String("on", what), slog.String("agent", runtime.Pseudonym(name)), slog.Any("error", err))
}

// setUnsaved notes that an agent learned something, and has it saved in a while.
func (p *pool) setUnsaved(s *seat) {
	if p.Store != nil && s.unsaved == nil {
		s.dirtyAt, s.unsaved = p.Now(), p.unsaved.PushBack(s)
		p.setTimer()
	}
}

func (p *pool) setSaved(s *seat) {
	if s.unsaved != nil {
		p.unsaved.Remove(s.unsaved)
		s.unsaved = nil
	}
}

// setTimer makes a tick come when the first unsaved agent is due.
func (p *pool) setTimer() {
	front := p.unsaved.Front()
	if p.stopTimer != nil || front == nil || p.IdleSave < 0 {
		return
	}
	due := front.Value.(*seat).dirtyAt.Add(p.IdleSave).Sub(p.Now())
	p.stopTimer = p.After(max(due, 0), func() { p.system.actors.Root.Send(p.system.pool, &tick{}) })
}

// tick saves the agents that are due.
func (p *pool) tick(ctx actor.Context) {
	p.stopTimer = nil
	for e := p.unsaved.Front(); e != nil; e = p.unsaved.Front() {
		s := e.Value.(*seat)
		if p.Now().Sub(s.dirtyAt) < p.IdleSave {
			break
		}
		p.setSaved(s)
		p.whenFree(ctx, s, func(ctx actor.Context) {
			if !p.clean(s) {
				p.save(ctx, s, false, nil)
			}
		})
	}
	p.setTimer()
}

// saveAgain has agents that could not be saved try again in a while: all if the store works, and one while it fails, unless somebody tries anyway.
func (p *pool) saveAgain(works bool) {
	for e := p.idle.Front(); e != nil; e = e.Next() {
		s := e.Value.(*seat)
		if s.failed && s.id != "" && (works || p.unsaved.Len() == 0) {
			p.setUnsaved(s)
		}
		s.failed = s.failed && !works
	}
}

// saveAll saves whatever agents know that is not on disk, and calls done then.
func (p *pool) saveAll(ctx actor.Context, done func()) {
	left := 1
	one := func(actor.Context, error) {
		if left--; left == 0 {
			done()
		}
	}
	if p.Store != nil {
		for _, id := range slices.Sorted(maps.Keys(p.seats)) {
			s := p.seats[id]
			left++
			p.whenFree(ctx, s, func(ctx actor.Context) {
				if s.memory == nil && s.ticket == nil || p.clean(s) {
					one(ctx, nil)
					return
				}
				p.save(ctx, s, false, one)
			})
		}
	}
	one(ctx, nil)
}

// forgetPaused removes from disk what a request that belongs to no agent left there when it was paused.
func (p *pool) forgetPaused(ctx actor.Context, t *ticket) {
	s := t.seat
	if s == nil || s.id != "" {
		return
	}
	if s.memory != nil {
		p.release(s)
	}
	p.whenFree(ctx, s, func(ctx actor.Context) {
		if s.diskBlocks > 0 {
			p.amend(ctx, s, func(store runtime.Store) error { return store.Delete(s.name) }, nil)
		}
	})
}

// dropPaused removes what paused requests of an earlier process left on disk.
func (p *pool) dropPaused(ctx actor.Context) {
	p.amend(ctx, nil, func(store runtime.Store) error {
		for _, saved := range store.List() {
			_, name := runtime.SplitAgent(saved.Agent)
			if _, agent := agentOf(saved.Agent, saved.Tag); !agent && strings.HasPrefix(name, pausedPrefix) {
				if err := store.Delete(saved.Agent); err != nil {
					return err
				}
			}
		}
		return nil
	}, nil)
}

// amend has the keeper change what is on disk of a seat, which has no other job; of nobody in particular if it is nil.
func (p *pool) amend(ctx actor.Context, s *seat, do func(runtime.Store) error, done func(actor.Context, error)) {
	j := &diskJob{id: p.nextJob(), seat: s}
	if done != nil {
		j.done = append(j.done, done)
	}
	j.message = &amend{job: j.id, do: do}
	p.begin(ctx, j)
}

func (p *pool) amended(ctx actor.Context, m *amended) {
	j := p.finish(m.job)
	if m.err != nil && !refused(m.err) {
		name := ""
		if j.seat != nil {
			name = j.seat.name
		}
		p.storeFailed("change", name, m.err)
	}
	p.answer(ctx, j, m.err)
	if j.seat != nil {
		p.afterJob(ctx, j.seat)
	}
}
