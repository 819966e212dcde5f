package actors

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// How much the keeper does at once. Looking up who is saved waits for nothing else, and reads do not wait for writes: somebody waits for them.
const (
	maxSeeks  = 4
	maxReads  = 2
	maxWrites = 1

	// blockReaders is how many blocks a read has under way: while one is checked and copied, the disk reads the next, and it is faster at several.
	blockReaders = 8
)

// keeper is the only one that talks to the store. Each message from the pool is carried out on a goroutine of its own, which reads and writes the blocks
// through the engine while steps go on, and its answer goes to the pool.
type keeper struct {
	*house
	desk    *desk
	waiting [lanes][]errand // in order of arrival
	foreign map[string]bool // agents that another model saved before the start
}

// lane is a kind of errand. Those of one lane wait for each other.
type lane uint8

const (
	seeking lane = iota
	reading
	writing
	lanes
)

// errand is a message and how it is carried out.
type errand struct {
	message any
	run     func() (answer any)
}

// desk is where errands are run. It outlives a keeper that fails.
type desk struct {
	root   *actor.RootContext
	pump   Pump // not nil: errands run there
	pace   *pacer
	open   sync.WaitGroup // errands that run
	logger *slog.Logger

	busy [lanes]int // errands that run; the keeper's
}

func newDesk(h *house, root *actor.RootContext, loop *engineLoop) *desk {
	d, busy := &desk{root: root, logger: h.Logger}, loop.busy
	if d.pump, _ = h.Dispatcher.(Pump); d.pump != nil {
		busy = func() bool { return false } // steps and errands take turns
	}
	d.pace = newPacer(busy)
	return d
}

// Receive implements actor.Actor.
func (k *keeper) Receive(ctx actor.Context) {
	defer k.logPanic("keeper")
	k.see("keeper", ctx.Message())
	switch m := ctx.Message().(type) {
	case *actor.Started:
		k.foreign = map[string]bool{}
		for _, m := range k.Store.List() {
			if id, tagged := agentOf(m.Agent, m.Tag); tagged && m.Tag != k.info.Tag {
				k.foreign[id] = true
			}
		}
	case *save:
		k.wait(writing, m, func() any { return k.save(m) })
	case *amend:
		k.wait(writing, m, func() any { return &amended{job: m.job, err: k.guarded(func() error { return m.do(k.Store) })} })
	case *seek:
		k.wait(seeking, m, func() any { return k.seek(m) })
	case *load:
		k.wait(reading, m, func() any { return k.load(m) })
	case *carriedOut:
		k.desk.busy[m.lane]--
	case *actor.Restarting:
		for _, e := range slices.Concat(k.waiting[:]...) {
			ctx.Send(ctx.Self(), e.message) // to the next instance
		}
		return
	default:
		return
	}
	for l, most := range [lanes]int{seeking: maxSeeks, reading: maxReads, writing: maxWrites} {
		for k.desk.busy[l] < most && len(k.waiting[l]) > 0 {
			k.desk.busy[l]++
			k.start(ctx, k.waiting[l][0], lane(l))
			k.waiting[l] = k.waiting[l][1:]
		}
	}
}

func (k *keeper) wait(l lane, message any, run func() any) {
	k.waiting[l] = append(k.waiting[l], errand{message, run})
}

// start carries an errand out elsewhere.
func (k *keeper) start(ctx actor.Context, e errand, l lane) {
	d, self, pool := k.desk, ctx.Self(), ctx.Parent()
	run := func() {
		answer := e.run()
		d.root.Send(pool, answer)
		d.root.Send(self, &carriedOut{lane: l})
	}
	switch {
	case d.pump != nil:
		d.pump.Schedule(run)
	case l == writing:
		d.open.Go(func() { giveWay(niceWriting); run() })
	default:
		d.open.Go(run)
	}
}

// guarded makes a panic of the store an error.
func (k *keeper) guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			k.Logger.Error("the store panicked", slog.Any("reason", r), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("the store panicked: %v", r)
		}
	}()
	return f()
}

func (k *keeper) save(m *save) *saved {
	out := &saved{job: m.job, began: k.Now()}
	buffer := make([]byte, k.info.BlockBytes)
	worked := threadTime()
	out.err = k.guarded(func() error {
		return k.Store.Save(m.manifest, func(i int) ([]byte, error) {
			k.desk.pace.rest(restWriting * (threadTime() - worked)) // for the block before
			worked = threadTime()
			if err := k.Engine.ReadBlock(m.blocks[i], buffer); err != nil {
				return nil, err
			}
			out.bytes += int64(len(buffer))
			return buffer, nil
		})
	})
	out.took = k.Now().Sub(out.began)
	return out
}

func (k *keeper) seek(m *seek) *found {
	out := &found{job: m.job, foreign: k.foreign[m.agent]}
	err := k.guarded(func() error {
		out.prefix = m.keys[:k.Store.Has(m.keys)]
		if m.name == "" {
			return nil
		}
		manifest, err := k.Store.Manifest(m.name)
		if err != nil {
			return err
		}
		if manifest.Tag != k.info.Tag || !manifest.Sound(k.info.BlockTokens) {
			return fmt.Errorf("the manifest of %q does not say what its blocks hold", m.name)
		}
		if manifest.Length > 0 {
			out.manifest = &manifest
		}
		return nil
	})
	if err != nil && runtime.KindOf(err) != runtime.Unknown {
		out.err = err
	}
	return out
}

func (k *keeper) load(m *load) *loaded {
	began := k.Now()
	r := &blockReads{keeper: k, load: m, first: len(m.keys)}
	if n := min(blockReaders, len(m.keys)); k.desk.pump == nil {
		var readers sync.WaitGroup
		for range n {
			readers.Go(func() { giveWay(niceReading); r.run() })
		}
		readers.Wait()
	} else {
		r.run()
	}
	return &loaded{job: m.job, n: r.first, err: r.err, took: k.Now().Sub(began)}
}

// blockReads are the reads of the blocks of one load, by several readers, each of which takes the next block that nobody has taken.
type blockReads struct {
	*keeper
	load *load
	next atomic.Int64

	mu    sync.Mutex // protects the following fields
	first int        // that could not be read, because of err; the number of blocks if there is none
	err   error
}

func (r *blockReads) run() {
	for {
		i := int(r.next.Add(1) - 1)
		if r.mu.Lock(); i >= r.first {
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		if err := r.guarded(func() error { return r.desk.pace.block(func() error { return r.read(i) }) }); err != nil {
			if r.mu.Lock(); i < r.first {
				r.first, r.err = i, err
			}
			r.mu.Unlock()
		}
	}
}

func (r *blockReads) read(i int) error {
	key := r.load.keys[i]
	return r.Store.Block(key, func(data []byte) error {
		if int64(len(data)) != r.info.BlockBytes {
			return fmt.Errorf("block %x has %d bytes on disk and %d in the pool", key[:6], len(data), r.info.BlockBytes)
		}
		return r.Engine.WriteBlock(r.load.blocks[i], data)
	})
}
