package engine

import "troupe/mlx"

// recorder writes the forward pass of one step as kernel calls: what decoder.go does with
// MLX's operations, for the same Spec.
type recorder struct {
	*kernels
	p     *mlx.Program
	f     *flat
	rows  int
	hid   mlx.Reg // [rows, hidden]: the residual stream
	qkv   mlx.Reg // [rows, heads+2*kv_heads, head_dim]
	query mlx.Reg // [rows, heads, head_dim]
	mixed mlx.Reg // the same: what attention gives
	gated mlx.Reg // [rows, 2*mlp]

	block, slot, spans, tables mlx.Offset
	turns                      map[*Rope]turn
}

// turn is a rope at the positions of a step.
type turn struct{ cos, sin, partner mlx.Offset }

func (x *kernels) record(f *flat, a *answers) {
	p, rows := x.program, len(f.tokens)
	heads, mlp := 0, 0
	all := 0
	for i := range x.spec.Layers {
		l := &x.spec.Layers[i]
		heads = max(heads, l.Attention.Heads*l.Attention.HeadDim)
		all = max(all, (l.Attention.Heads+2*l.Attention.KVHeads)*l.Attention.HeadDim)
		mlp = max(mlp, l.MLP.Hidden)
	}
	r := &recorder{
		kernels: x, p: p, f: f, rows: rows,
		hid: p.Register(rows * x.spec.Hidden), qkv: p.Register(rows * all), query: p.Register(rows * heads),
		mixed: p.Register(rows * heads), gated: p.Register(rows * 2 * mlp),
		block: p.Ints(f.block), slot: p.Ints(f.slot), spans: p.Ints(f.spans), tables: p.Ints(f.tables),
		turns: map[*Rope]turn{},
	}
	p.Lookup(r.hid, x.weights.embedding.packed, p.Ints(f.tokens), rows)
	for i := range x.spec.Layers {
		r.attention(i)
		r.mlp(i)
	}
	if len(f.wants) > 0 {
		r.head(a)
	}
}

// attention adds the attention of a layer to the residual stream.
func (r *recorder) attention(layer int) {
	a, w := &r.spec.Layers[layer].Attention, &r.weights.layers[layer]
	q, kv := a.Heads*a.HeadDim, a.KVHeads*a.HeadDim
	in := r.arrange(r.rows, r.spec.Hidden, r.hid, mlx.Arrange{Source: mlx.Normed, Norm: w.attentionNorm, Eps: r.spec.NormEps}, &w.q, &w.k, &w.v)
	stride := q + 2*kv
	r.p.Linear(
		w.q.call(in, r.qkv, 0, stride, false),
		w.k.call(in, r.qkv, q, stride, false),
		w.v.call(in, r.qkv, q+kv, stride, false))
	turn := r.turn(a.Rope)
	r.p.RopeWrite(mlx.RopeWrite{
		Rows: r.rows, Heads: a.Heads, QKV: r.qkv, Q: r.query, QNorm: w.qNorm, KNorm: w.kNorm, Eps: r.spec.NormEps,
		Cos: turn.cos, Sin: turn.sin, Partner: turn.partner, Block: r.block, Slot: r.slot, Cache: r.caches[layer],
	})
	r.p.Attend(mlx.Attend{
		Spans: r.spans, Tables: r.tables, Count: len(r.f.spans) / 4, Heads: a.Heads, Scale: a.Scale, Window: a.Window,
		Q: r.query, Out: r.mixed, Cache: r.caches[layer],
	})
	in = r.arrange(r.rows, q, r.mixed, mlx.Arrange{}, &w.o)
	r.p.Linear(w.o.call(in, r.hid, 0, r.spec.Hidden, true))
}

// mlp adds the gated MLP of a layer to the residual stream.
func (r *recorder) mlp(layer int) {
	w, hidden := &r.weights.layers[layer], r.spec.Layers[layer].MLP.Hidden
	in := r.arrange(r.rows, r.spec.Hidden, r.hid, mlx.Arrange{Source: mlx.Normed, Norm: w.mlpNorm, Eps: r.spec.NormEps}, &w.gate, &w.up)
	r.p.Linear(w.gate.call(in, r.gated, 0, 2*hidden, false), w.up.call(in, r.gated, hidden, 2*hidden, false))
	in = r.arrange(r.rows, hidden, r.gated, mlx.Arrange{Source: mlx.Gated, Gate: mlx.SiLU}, &w.down)
	r.p.Linear(w.down.call(in, r.hid, 0, r.spec.Hidden, true))
}

// head computes the logits of the rows that want them, and what sampling needs of those.
func (r *recorder) head(a *answers) {
	wants, hidden := len(r.f.wants), r.spec.Hidden
	last := r.p.Register(wants * hidden)
	r.p.Take(last, r.hid, r.f.lasts(), hidden)
	head := &r.weights.head
	in := r.arrange(wants, hidden, last, mlx.Arrange{Source: mlx.Normed, Norm: r.weights.norm, Eps: r.spec.NormEps}, head)
	r.p.Linear(head.call(in, a.logits, 0, a.vocab, false))
	r.p.Reduce(a.logits, a.vocab, a.best, a.most, a.values, a.ids, a.sums)
}

// arrange prepares rows for the layers that will read them, in the forms that those need.
func (r *recorder) arrange(rows, k int, src mlx.Reg, a mlx.Arrange, readers ...*linear) mlx.Input {
	in := r.p.Input(rows, k, r.exact || anyPlain(readers), !r.exact && anyQuantised(readers))
	r.p.Arrange(in, src, a)
	return in
}

// call is a linear layer as part of a call.
func (l *linear) call(in mlx.Input, dst mlx.Reg, offset, stride int, add bool) mlx.Linear {
	return mlx.Linear{Weight: l.packed, Bias: l.bias, X: in, Dst: dst, Offset: offset, Stride: stride, Add: add}
}

// turn stores the rotations of a rope, once in a step.
func (r *recorder) turn(rope *Rope) turn {
	if rope == nil {
		return turn{mlx.NoData, mlx.NoData, r.p.Ints(nil)}
	}
	t, ok := r.turns[rope]
	if !ok {
		cos, sin, partner := rope.Tables(r.f.positions)
		t = turn{r.p.Floats(cos), r.p.Floats(sin), r.p.Ints(partner)}
		r.turns[rope] = t
	}
	return t
}
