package engine

import (
	"errors"
	"fmt"

	"troupe/mlx"
	"troupe/runtime"
)

// tensors describes the contents of a block: for each layer its keys, then its
// values.
func (p *pool) tensors(spec *Spec) []runtime.BlockTensor {
	var all []runtime.BlockTensor
	for i := range spec.Layers {
		a := &spec.Layers[i].Attention
		for _, side := range []string{"keys", "values"} {
			all = append(all, runtime.BlockTensor{
				Name: fmt.Sprintf("layers.%d.%s", i, side), DType: "F16", Shape: []int{a.KVHeads, p.blockTokens, a.HeadDim},
			})
		}
	}
	return all
}

// ReadBlock implements [runtime.Engine].
func (e *Engine) ReadBlock(b runtime.BlockID, dst []byte) error {
	return e.block(b, dst, func(g *mlx.Graph, s *mlx.Slot, part []byte, start, stop []int) error {
		data, err := g.Bytes(g.Slice(s.Array(), start, stop))
		copy(part, data)
		return err
	})
}

// WriteBlock implements [runtime.Engine].
func (e *Engine) WriteBlock(b runtime.BlockID, src []byte) error {
	return e.block(b, src, func(g *mlx.Graph, s *mlx.Slot, part []byte, start, stop []int) error {
		shape := []int{1, stop[1], stop[2], stop[3]}
		g.SliceUpdate(s, g.FromBytes(part, mlx.Float16, shape...), start, stop)
		return g.Err()
	})
}

// block calls use for each buffer of the pool, with the part of data and of the
// buffer that belong to the block.
func (e *Engine) block(b runtime.BlockID, data []byte, use func(g *mlx.Graph, s *mlx.Slot, part []byte, start, stop []int) error) error {
	switch {
	case b < 0 || int(b) >= e.info.Blocks:
		return fmt.Errorf("engine: block %d, and the pool has %d", b, e.info.Blocks)
	case int64(len(data)) != e.info.BlockBytes:
		return fmt.Errorf("engine: block %d: %d bytes, want %d", b, len(data), e.info.BlockBytes)
	}
	err := e.thread.Do(func(c *mlx.Context) (err error) {
		g := c.NewGraph()
		defer func() { err = errors.Join(err, g.Close()) }()
		p := e.decoder.pool
		for i := range p.keys {
			for _, s := range []*mlx.Slot{p.keys[i], p.values[i]} {
				shape := s.Array().Shape()
				n := 2 * shape[1] * shape[2] * shape[3]
				start, stop := []int{int(b), 0, 0, 0}, []int{int(b) + 1, shape[1], shape[2], shape[3]}
				if err := use(g, s, data[:n:n], start, stop); err != nil {
					return err
				}
				data = data[n:]
			}
		}
		return g.Eval()
	})
	if err != nil {
		return fmt.Errorf("engine: block %d: %w", b, err)
	}
	return nil
}
