package engine

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"troupe/mlx"
	"troupe/runtime"
)

// Engine computes the steps of one model. It implements [runtime.Engine], which
// says who may call what and when.
type Engine struct {
	info    runtime.EngineInfo
	thread  *mlx.Thread
	graph   *mlx.Graph // owns the weights and the pool
	backend backend

	mu     sync.RWMutex // held for reading while a block is copied
	closed bool         // written with mu held
}

var _ runtime.Engine = (*Engine)(nil)

// New loads a folder and allocates the KV pool. The engine has an OS thread of
// its own, which Close ends.
func New(folder *Folder, o Options) (*Engine, error) {
	e, err := open(folder, o)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", folder.Name, err)
	}
	return e, nil
}

func open(folder *Folder, o Options) (*Engine, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	thread, err := mlx.Start(mlx.Options{Device: o.Device})
	if err != nil {
		return nil, err
	}
	o.Device = thread.Device()
	e := &Engine{thread: thread}
	plan, err := folder.checkedPlan(o)
	if err == nil {
		e.info = runtime.EngineInfo{
			Vocab: folder.Spec.Vocab, Context: folder.Spec.MaxPositions,
			BlockTokens: plan.BlockTokens, Blocks: plan.Blocks, BlockBytes: plan.BlockBytes,
		}
		err = thread.Do(func(c *mlx.Context) error { return e.load(c, folder, o) })
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (f *Folder) checkedPlan(o Options) (Plan, error) {
	plan := f.MemoryPlan(o)
	if plan.Blocks < 1 {
		return Plan{}, fmt.Errorf("the KV memory of %d bytes holds no block of %d bytes", o.KVBytes, plan.BlockBytes)
	}
	return plan, between("blocks", plan.Blocks, 1, maxBlocks)
}

func (e *Engine) load(c *mlx.Context, folder *Folder, o Options) error {
	e.graph = c.NewGraph()
	l := &loader{context: c, keep: e.graph, folder: folder, float: folder.floatType(c.Device()), progress: o.Progress, abort: o.Abort}
	if l.pack = folder.Uncovered(o) == ""; l.pack {
		x, err := newKernels(l, e.info, o)
		if err != nil {
			return err
		}
		e.backend = x
	} else {
		x, err := newGraph(l, e.thread, e.info, o)
		if err != nil {
			return err
		}
		e.backend = x
	}
	e.info.Tensors = e.backend.tensors()
	e.info.Tag = tag(folder.digest, l.digest(), e.backend.numerics(), e.info.BlockTokens)
	return c.ClearCache()
}

// Info describes the engine.
func (e *Engine) Info() runtime.EngineInfo { return e.info }

// KernelTime returns how long the kernels have computed, over all steps so far; 0 if the model runs on MLX's operations. The
// rest of a step's time is what Go, cgo and MLX add.
func (e *Engine) KernelTime() time.Duration {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if x, ok := e.backend.(*kernels); ok && !e.closed {
		return x.machine.Busy()
	}
	return 0
}

// Step runs one forward pass. Rows that break the rules of [runtime.Engine] are
// refused before anything is computed.
func (e *Engine) Step(rows []runtime.Row) ([]runtime.Result, error) {
	if e.closed {
		return nil, errors.New("engine: step after close")
	}
	if len(rows) == 0 {
		return nil, nil
	}
	if err := runtime.CheckRows(e.info, rows); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	results := make([]runtime.Result, len(rows))
	if err := e.thread.Do(func(c *mlx.Context) error { return e.backend.step(c, rows, results) }); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	return results, nil
}

// ReadBlock implements [runtime.Engine].
func (e *Engine) ReadBlock(b runtime.BlockID, dst []byte) error {
	return e.copyBlock(b, dst, func() error { return e.backend.readBlock(b, dst) })
}

// WriteBlock implements [runtime.Engine].
func (e *Engine) WriteBlock(b runtime.BlockID, src []byte) error {
	return e.copyBlock(b, src, func() error { return e.backend.writeBlock(b, src) })
}

func (e *Engine) copyBlock(b runtime.BlockID, data []byte, do func() error) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	var err error
	switch {
	case e.closed:
		err = errors.New("the engine is closed")
	case b < 0 || int(b) >= e.info.Blocks:
		err = fmt.Errorf("the pool has %d", e.info.Blocks)
	case int64(len(data)) != e.info.BlockBytes:
		err = fmt.Errorf("%d bytes, want %d", len(data), e.info.BlockBytes)
	default:
		err = do()
	}
	if err != nil {
		return fmt.Errorf("engine: block %d: %w", b, err)
	}
	return nil
}

// Close frees the memory on the device and ends the thread. A second Close does
// nothing.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	err := e.thread.Do(func(c *mlx.Context) error {
		if e.backend != nil {
			e.backend.close()
		}
		if e.graph == nil {
			return nil
		}
		return errors.Join(e.graph.Close(), c.ClearCache())
	})
	return errors.Join(err, e.thread.Close())
}
