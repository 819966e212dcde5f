package engine

import (
	"errors"
	"fmt"

	"troupe/mlx"
)

// pool is the KV memory: for each layer one K and one V buffer of
// [blocks, kv_heads, block_tokens, head_dim] in float16, allocated once and
// never cleared. Blocks hold whatever was there before, and readers mask what was
// not written for them; so a large pool costs no time until it is used.
//
// The buffers are slots: a write consumes the old value, so that MLX writes into
// the same memory. Nothing outside a step's graph may refer to them.
type pool struct {
	keys, values []*mlx.Slot // by layer
	blockTokens  int
}

func newPool(g *mlx.Graph, spec *Spec, blocks, blockTokens int) (*pool, error) {
	p := &pool{blockTokens: blockTokens}
	for i := range spec.Layers {
		a := &spec.Layers[i].Attention
		for _, side := range []*[]*mlx.Slot{&p.keys, &p.values} {
			*side = append(*side, g.NewSlot(g.Empty(mlx.Float16, blocks, a.KVHeads, blockTokens, a.HeadDim)))
		}
	}
	if err := g.Err(); err != nil {
		return nil, fmt.Errorf("allocate the KV pool: %w", err)
	}
	return p, nil
}

// intact reports an error if a failed step took a buffer with it. That does not
// happen to a step that was refused, only to one whose computation broke.
func (p *pool) intact() error {
	for i := range p.keys {
		if !p.keys[i].Intact() || !p.values[i].Intact() {
			return errors.New("the KV pool was lost in a failed step; the engine must be made anew")
		}
	}
	return nil
}
