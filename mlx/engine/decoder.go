package engine

import "troupe/mlx"

// decoder runs a Spec with MLX's operations.
type decoder struct {
	spec    *Spec
	weights *weights
	pool    *pool
}

// deviceBatch is a batch whose indices are on the device, for one step's graph.
type deviceBatch struct {
	*batch
	pool        *pool
	block, slot mlx.Array // [tokens]
	groups      []deviceGroup
	rotations   map[*Rope]*rotation
}

// deviceGroup is a group with its block tables and, made when a layer first
// asks for them, its masks.
type deviceGroup struct {
	*group
	table   mlx.Array // [rows, blocks]
	zero    mlx.Array
	masks   map[int]mlx.Array // by window; null if every key is seen
	written mlx.Array
}

func newDeviceBatch(g *mlx.Graph, b *batch, p *pool) *deviceBatch {
	d := &deviceBatch{
		batch:     b,
		pool:      p,
		block:     g.FromInt32s(b.block, len(b.block)),
		slot:      g.FromInt32s(b.slot, len(b.slot)),
		groups:    make([]deviceGroup, len(b.groups)),
		rotations: map[*Rope]*rotation{},
	}
	zero := g.Scalar(0, mlx.Float16)
	for i := range b.groups {
		x := &b.groups[i]
		d.groups[i] = deviceGroup{
			group: x, zero: zero, masks: map[int]mlx.Array{},
			table: g.FromInt32s(x.tables, len(x.ends), x.blocks),
		}
	}
	return d
}

// forward builds one step. It returns the logits [len(b.wants), vocab] in
// float32, or null if no row wants any; the updates of the pool are in g.
func (d *decoder) forward(g *mlx.Graph, b *batch) mlx.Array {
	s := d.spec
	db := newDeviceBatch(g, b, d.pool)
	h := d.weights.embed(g, g.FromInt32s(b.tokens, len(b.tokens)))
	for i := range s.Layers {
		w := &d.weights.layers[i]
		h = g.Add(h, d.attention(g, db, i, g.RMSNorm(h, w.attentionNorm, s.NormEps)))
		h = g.Add(h, gatedMLP(g, w, g.RMSNorm(h, w.mlpNorm, s.NormEps)))
	}
	if len(b.wants) == 0 {
		return mlx.Array{}
	}
	last := make([]int32, len(b.wants))
	for i, w := range b.wants {
		last[i] = int32(w.token)
	}
	h = g.Take(h, g.FromInt32s(last, len(last)), 0)
	logits := d.weights.head.apply(g, g.RMSNorm(h, d.weights.norm, s.NormEps))
	return g.AsType(logits, mlx.Float32)
}

func (d *decoder) attention(g *mlx.Graph, b *deviceBatch, layer int, x mlx.Array) mlx.Array {
	a, w := &d.spec.Layers[layer].Attention, &d.weights.layers[layer]
	tokens := len(b.tokens)
	q := g.Reshape(w.q.apply(g, x), tokens, a.Heads, a.HeadDim)
	k := g.Reshape(w.k.apply(g, x), tokens, a.KVHeads, a.HeadDim)
	v := g.Reshape(w.v.apply(g, x), tokens, a.KVHeads, a.HeadDim)
	if a.QKNorm {
		q = g.RMSNorm(q, w.qNorm, d.spec.NormEps)
		k = g.RMSNorm(k, w.kNorm, d.spec.NormEps)
	}
	q = ropeWrite(g, b, layer, b.rotation(g, a.Rope), q, k, v)
	return w.o.apply(g, attend(g, b, layer, a, q))
}

// rotation returns the tables of a rope, made once per step; nil for none.
func (b *deviceBatch) rotation(g *mlx.Graph, r *Rope) *rotation {
	if r == nil {
		return nil
	}
	if _, ok := b.rotations[r]; !ok {
		b.rotations[r] = newRotation(g, r, b.positions)
	}
	return b.rotations[r]
}

func (d *deviceGroup) maskFor(g *mlx.Graph, window, blockTokens int) mlx.Array {
	mask, ok := d.masks[window]
	if !ok {
		if host := d.mask(window, blockTokens); host != nil {
			mask = g.FromBools(host, len(d.ends), 1, d.length, d.keys(blockTokens))
		}
		d.masks[window] = mask
	}
	return mask
}

// writtenKeys is null if every key was written.
func (d *deviceGroup) writtenKeys(g *mlx.Graph, blockTokens int) mlx.Array {
	if len(d.ends) > 1 && !d.written.Valid() {
		d.written = g.FromBools(d.group.written(blockTokens), len(d.ends), 1, d.keys(blockTokens), 1)
	}
	return d.written
}
