package engine

import (
	"errors"
	"fmt"

	"troupe/mlx"
	"troupe/runtime"
)

// graph is the backend of MLX's operations. The arrays of a step live in a graph of
// their own.
type graph struct {
	info    runtime.EngineInfo
	thread  *mlx.Thread
	decoder *decoder
	logits  []float32 // of the last step; results may point into it
}

func newGraph(l *loader, thread *mlx.Thread, info runtime.EngineInfo, o Options) (*graph, error) {
	w, err := l.load()
	if err != nil {
		return nil, err
	}
	p, err := newPool(l.keep, l.folder.Spec, info.Blocks, o.kvForm(false))
	if err != nil {
		return nil, err
	}
	return &graph{info: info, thread: thread, decoder: &decoder{spec: l.folder.Spec, weights: w, pool: p}}, nil
}

func (x *graph) step(c *mlx.Context, rows []runtime.Row, results []runtime.Result) (err error) {
	if err := x.decoder.pool.intact(); err != nil {
		return err
	}
	b := newBatch(rows, x.info)
	g := c.NewGraph()
	defer func() { err = errors.Join(err, g.Close()) }()
	logits := x.decoder.forward(g, b)
	if len(b.wants) == 0 {
		return g.Eval()
	}
	if err := g.Eval(logits); err != nil {
		return err
	}
	x.logits = sized(x.logits, len(b.wants)*x.info.Vocab)
	if err := g.ReadFloat32s(x.logits, logits); err != nil {
		return err
	}
	for i, w := range b.wants {
		row := x.logits[i*x.info.Vocab : (i+1)*x.info.Vocab]
		if results[w.row], err = reduce(row, w.n); err != nil {
			return fmt.Errorf("row %d: %w", w.row, err)
		}
	}
	return nil
}

func (x *graph) close() {}

// sized returns a slice of n elements, in s's memory if that is large enough.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}
