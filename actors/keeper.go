package actors

import (
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// How much the keeper does at once. Reads do not wait for writes: somebody waits for them.
const (
	maxReads  = 2
	maxWrites = 1
)

// keeper is the only one that talks to the store. Each message from the pool is carried out on a goroutine of its own, which reads and writes the blocks
// through the engine while steps go on, and its answer goes to the pool.
type keeper struct {
	*house
	desk          *desk
	reads, writes []errand        // that wait, in order of arrival
	foreign       map[string]bool // agents that another model saved before the start
}

// errand is a message and how it is carried out.
type errand struct {
	message any
	run     func() (answer any)
}

// desk is where errands are run. It outlives a keeper that fails.
type desk struct {
	root   *actor.RootContext
	pump   Pump           // not nil: errands run there
	open   sync.WaitGroup // errands that run
	logger *slog.Logger

	reading, writing int // the keeper's
}

func newDesk(h *house, root *actor.RootContext) *desk {
	d := &desk{root: root, logger: h.Logger}
	d.pump, _ = h.Dispatcher.(Pump)
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
		k.writes = append(k.writes, errand{m, func() any { return k.save(m) }})
	case *amend:
		k.writes = append(k.writes, errand{m, func() any { return &amended{job: m.job, err: k.guarded(func() error { return m.do(k.Store) })} }})
	case *seek:
		k.reads = append(k.reads, errand{m, func() any { return k.seek(m) }})
	case *load:
		k.reads = append(k.reads, errand{m, func() any { return k.load(m) }})
	case *carriedOut:
		if m.write {
			k.desk.writing--
		} else {
			k.desk.reading--
		}
	case *actor.Restarting:
		for _, e := range append(k.reads, k.writes...) {
			ctx.Send(ctx.Self(), e.message) // to the next instance
		}
		return
	default:
		return
	}
	for k.desk.reading < maxReads && len(k.reads) > 0 {
		k.desk.reading++
		k.start(ctx, k.reads[0], false)
		k.reads = k.reads[1:]
	}
	for k.desk.writing < maxWrites && len(k.writes) > 0 {
		k.desk.writing++
		k.start(ctx, k.writes[0], true)
		k.writes = k.writes[1:]
	}
}

// start carries an errand out elsewhere.
func (k *keeper) start(ctx actor.Context, e errand, write bool) {
	d, self, pool := k.desk, ctx.Self(), ctx.Parent()
	run := func() {
		answer := e.run()
		d.root.Send(pool, answer)
		d.root.Send(self, &carriedOut{write: write})
	}
	if d.pump != nil {
		d.pump.Schedule(run)
		return
	}
	d.open.Go(run)
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
	out, began := &saved{job: m.job}, k.Now()
	buffer := make([]byte, k.info.BlockBytes)
	out.err = k.guarded(func() error {
		return k.Store.Save(m.manifest, func(i int) ([]byte, error) {
			if err := k.Engine.ReadBlock(m.blocks[i], buffer); err != nil {
				return nil, err
			}
			out.bytes += int64(len(buffer))
			return buffer, nil
		})
	})
	out.took = k.Now().Sub(began)
	return out
}

func (k *keeper) seek(m *seek) *found {
	out := &found{job: m.job, foreign: k.foreign[m.agent]}
	err := k.guarded(func() error {
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
	out, began := &loaded{job: m.job}, k.Now()
	out.err = k.guarded(func() error {
		for i, key := range m.keys {
			data, err := k.Store.Block(key)
			if err != nil {
				return err
			}
			if int64(len(data)) != k.info.BlockBytes {
				return fmt.Errorf("block %x has %d bytes on disk and %d in the pool", key[:6], len(data), k.info.BlockBytes)
			}
			if err := k.Engine.WriteBlock(m.blocks[i], data); err != nil {
				return err
			}
			out.n++
		}
		return nil
	})
	out.took = k.Now().Sub(began)
	return out
}
