package engine

import (
	"errors"
	"fmt"

	"troupe/mlx"
	"troupe/runtime"
)

// Engine computes the steps of one model. It implements [runtime.Engine], which
// says who may call what and when.
type Engine struct {
	info    runtime.EngineInfo
	thread  *mlx.Thread
	graph   *mlx.Graph // owns the weights and the pool
	decoder *decoder
	logits  []float32 // of the last step; results may point into it
	closed  bool
}

var _ runtime.Engine = (*Engine)(nil)

// New loads a folder and allocates the KV pool. The engine has an OS thread of
// its own, which Close ends.
func New(folder *Folder, o Options) (*Engine, error) {
	plan, err := folder.checkedPlan(o)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", folder.Name, err)
	}
	thread, err := mlx.Start(mlx.Options{Device: o.Device})
	if err != nil {
		return nil, err
	}
	e := &Engine{thread: thread, info: runtime.EngineInfo{
		Vocab: folder.Spec.Vocab, Context: folder.Spec.MaxPositions,
		BlockTokens: plan.BlockTokens, Blocks: plan.Blocks, BlockBytes: plan.BlockBytes,
	}}
	if err := thread.Do(func(c *mlx.Context) error { return e.load(c, folder, o) }); err != nil {
		return nil, errors.Join(fmt.Errorf("model %s: %w", folder.Name, err), e.Close())
	}
	return e, nil
}

func (f *Folder) checkedPlan(o Options) (Plan, error) {
	if err := between("block tokens", o.blockTokens(), 1, 1<<12); err != nil {
		return Plan{}, err
	}
	plan := f.MemoryPlan(o, true)
	if plan.Blocks < 1 {
		return Plan{}, fmt.Errorf("the KV memory of %d bytes holds no block of %d bytes", o.KVBytes, plan.BlockBytes)
	}
	return plan, between("blocks", plan.Blocks, 1, maxBlocks)
}

func (e *Engine) load(c *mlx.Context, folder *Folder, o Options) error {
	e.graph = c.NewGraph()
	l := &loader{context: c, keep: e.graph, folder: folder, float: folder.floatType(c.Device()), progress: o.Progress}
	w, err := l.load()
	if err != nil {
		return err
	}
	p, err := newPool(e.graph, folder.Spec, e.info.Blocks, e.info.BlockTokens)
	if err != nil {
		return err
	}
	e.decoder = &decoder{spec: folder.Spec, weights: w, pool: p}
	e.info.Tensors = p.tensors(folder.Spec)
	e.info.Tag = tag(folder.digest, l.digest(), c.Device(), e.info.BlockTokens)
	return c.ClearCache()
}

// Info describes the engine.
func (e *Engine) Info() runtime.EngineInfo { return e.info }

// Step runs one forward pass. Rows that break the rules of [runtime.Engine] are
// refused before anything is computed.
func (e *Engine) Step(rows []runtime.Row) ([]runtime.Result, error) {
	if e.closed {
		return nil, errors.New("engine: step after close")
	}
	if len(rows) == 0 {
		return nil, nil
	}
	b, err := newBatch(rows, e.info)
	if err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	if err := e.thread.Do(func(c *mlx.Context) error { return e.run(c, b) }); err != nil {
		return nil, fmt.Errorf("engine: %w", err)
	}
	results := make([]runtime.Result, len(rows))
	for i, w := range b.wants {
		row := e.logits[i*e.info.Vocab : (i+1)*e.info.Vocab]
		if results[w.row], err = reduce(row, w.n); err != nil {
			return nil, fmt.Errorf("engine: row %d: %w", w.row, err)
		}
	}
	return results, nil
}

// run computes a batch on the engine's thread and leaves the logits of the rows
// that want them in e.logits.
func (e *Engine) run(c *mlx.Context, b *batch) (err error) {
	if err := e.decoder.pool.intact(); err != nil {
		return err
	}
	g := c.NewGraph()
	defer func() { err = errors.Join(err, g.Close()) }()
	logits := e.decoder.forward(g, b)
	if len(b.wants) == 0 {
		return g.Eval()
	}
	if err := g.Eval(logits); err != nil {
		return err
	}
	if n := len(b.wants) * e.info.Vocab; cap(e.logits) < n {
		e.logits = make([]float32, n)
	} else {
		e.logits = e.logits[:n]
	}
	return g.ReadFloat32s(e.logits, logits)
}

// Close frees the memory on the device and ends the thread. A second Close does
// nothing.
func (e *Engine) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	err := e.thread.Do(func(c *mlx.Context) error {
		if e.graph == nil {
			return nil
		}
		return errors.Join(e.graph.Close(), c.ClearCache())
	})
	return errors.Join(err, e.thread.Close())
}
