package engine

import "troupe/mlx"

// The steps of a decoder layer, each a function of its own so that a backend
// can replace it. x is [tokens, width] throughout; a row of x is computed
// without regard to the others.

// apply returns x @ weight^T + bias.
func (l *linear) apply(g *mlx.Graph, x mlx.Array) mlx.Array {
	var y mlx.Array
	if l.quant.Bits != 0 {
		y = g.QuantizedMatMul(x, l.weight, l.scales, l.biases, true, l.quant)
	} else {
		y = g.MatMul(x, l.weight)
	}
	if l.bias != (mlx.Array{}) {
		y = g.Add(y, l.bias)
	}
	return y
}

// embed looks tokens up in the embedding.
func (w *weights) embed(g *mlx.Graph, tokens mlx.Array) mlx.Array {
	e := &w.embedding
	if e.quant.Bits == 0 {
		return g.Take(w.rows, tokens, 0)
	}
	return g.Dequantize(g.Take(e.weight, tokens, 0), g.Take(e.scales, tokens, 0), g.Take(e.biases, tokens, 0), e.quant)
}

// gatedMLP returns down(silu(gate(x)) * up(x)).
func gatedMLP(g *mlx.Graph, w *layerWeights, x mlx.Array) mlx.Array {
	return w.down.apply(g, g.Mul(g.SiLU(w.gate.apply(g, x)), w.up.apply(g, x)))
}

// rotation is a Rope at the positions of a batch: cos and sin [tokens, 1,
// head_dim], partner [head_dim]. See Rope.Tables.
type rotation struct {
	cos, sin, partner mlx.Array
}

func newRotation(g *mlx.Graph, r *Rope, positions []int32) *rotation {
	cos, sin, partner := r.Tables(positions)
	return &rotation{
		cos:     g.FromFloat32s(cos, len(positions), 1, len(partner)),
		sin:     g.FromFloat32s(sin, len(positions), 1, len(partner)),
		partner: g.FromInt32s(partner, len(partner)),
	}
}

// rotate applies the rope to x [tokens, heads, head_dim]; a nil rotation is none.
func (r *rotation) rotate(g *mlx.Graph, x mlx.Array) mlx.Array {
	if r == nil {
		return x
	}
	turned := g.Add(g.Mul(x, r.cos), g.Mul(g.Take(x, r.partner, 2), r.sin))
	return g.AsType(turned, x.Dtype())
}

// ropeWrite rotates q and k and writes k and v, all [tokens, heads, head_dim],
// into the pool. It returns the rotated q.
func ropeWrite(g *mlx.Graph, b *deviceBatch, layer int, r *rotation, q, k, v mlx.Array) mlx.Array {
	b.pool.keys[layer].write(g, r.rotate(g, k), b)
	b.pool.values[layer].write(g, v, b)
	return r.rotate(g, q)
}

// attend returns the attention of every token over its row's blocks, as
// [tokens, heads*head_dim]. q is [tokens, heads, head_dim].
func attend(g *mlx.Graph, b *deviceBatch, layer int, a *Attention, q mlx.Array) mlx.Array {
	outputs := make([]mlx.Array, len(b.groups))
	for i := range b.groups {
		outputs[i] = b.groups[i].attend(g, b.pool, layer, a, q)
	}
	if len(outputs) == 1 {
		return outputs[0]
	}
	return g.Concatenate(0, outputs...)
}

func (d *deviceGroup) attend(g *mlx.Graph, p *pool, layer int, a *Attention, q mlx.Array) mlx.Array {
	rows, tokens := len(d.ends), len(d.ends)*d.length
	if len(d.ends)*d.length != q.Dim(0) {
		q = g.Slice(q, []int{d.first, 0, 0}, []int{d.first + tokens, a.Heads, a.HeadDim})
	}
	blockTokens := p.form.blockTokens
	q = g.Transpose(g.Reshape(q, rows, d.length, a.Heads, a.HeadDim), 0, 2, 1, 3)
	k := p.keys[layer].gather(g, d, blockTokens, q.Dtype())
	v := p.values[layer].gather(g, d, blockTokens, q.Dtype())
	if written := d.writtenKeys(g, blockTokens); written != (mlx.Array{}) {
		v = g.Where(written, v, g.AsType(d.zero, q.Dtype()))
	}
	out := g.Attention(q, k, v, mlx.Attention{Scale: a.Scale, Mask: d.maskFor(g, a.Window, blockTokens)})
	return g.Reshape(g.Transpose(out, 0, 2, 1, 3), tokens, a.Heads*a.HeadDim)
}
