package engine

import (
	"fmt"
	"slices"
	"strings"
)

// Linear names the tensors of one linear layer, or of the embedding, and how
// they are stored. Path.weight is [Out, In].
type Linear struct {
	Path    string
	In, Out int
	Bias    bool          // Path.bias [Out]
	Quant   *Quantization // nil: plain; else Path.scales and Path.biases
}

// LayerLayout names the tensors of one layer. QNorm and KNorm are empty where
// the spec has none.
type LayerLayout struct {
	AttentionNorm, MLPNorm, QNorm, KNorm string
	Q, K, V, O, Gate, Up, Down           Linear
}

// Layout names every tensor that a Spec needs. Each has been found in the Index
// with the right shape and a dtype that can be loaded.
type Layout struct {
	Embedding Linear
	Layers    []LayerLayout
	Norm      string
	Head      *Linear // nil when tied to the embedding
}

// newLayout matches a spec with the tensors of a folder. A tensor that is
// missing, misshapen or not accounted for is an error: a bias that nobody adds
// would give wrong tokens silently.
func newLayout(spec *Spec, q *quantizations, index *Index) (*Layout, error) {
	m := &matcher{spec: spec, quant: q, index: index, used: map[string]bool{}}
	layout := m.layout()
	if m.err != nil {
		return nil, m.err
	}
	return layout, m.unused()
}

// names lists the tensors of a linear layer.
func (l *Linear) names() []string {
	names := []string{l.Path + ".weight"}
	if l.Quant != nil {
		names = append(names, l.Path+".scales", l.Path+".biases")
	}
	if l.Bias {
		names = append(names, l.Path+".bias")
	}
	return names
}

// names lists the tensors of the model in the order in which they are loaded.
func (l *Layout) names() []string {
	names := l.Embedding.names()
	for i := range l.Layers {
		layer := &l.Layers[i]
		for _, norm := range []string{layer.AttentionNorm, layer.MLPNorm, layer.QNorm, layer.KNorm} {
			if norm != "" {
				names = append(names, norm)
			}
		}
		for _, linear := range []*Linear{&layer.Q, &layer.K, &layer.V, &layer.O, &layer.Gate, &layer.Up, &layer.Down} {
			names = append(names, linear.names()...)
		}
	}
	names = append(names, l.Norm)
	if l.Head != nil {
		names = append(names, l.Head.names()...)
	}
	return names
}

// matcher keeps the first error, so that the layout reads as a list.
type matcher struct {
	spec  *Spec
	quant *quantizations
	index *Index
	used  map[string]bool
	err   error
}

func (m *matcher) layout() *Layout {
	s := m.spec
	l := &Layout{
		Embedding: m.linear("model.embed_tokens", s.Hidden, s.Vocab, false),
		Layers:    make([]LayerLayout, len(s.Layers)),
		Norm:      m.norm("model.norm.weight", s.Hidden),
	}
	for i := range s.Layers {
		l.Layers[i] = m.layer(fmt.Sprintf("model.layers.%d.", i), &s.Layers[i])
	}
	if !s.Tied {
		head := m.linear("lm_head", s.Hidden, s.Vocab, false)
		l.Head = &head
	}
	return l
}

func (m *matcher) layer(at string, l *Layer) LayerLayout {
	a, hidden := &l.Attention, m.spec.Hidden
	queries, keys := a.Heads*a.HeadDim, a.KVHeads*a.HeadDim
	out := LayerLayout{
		AttentionNorm: m.norm(at+"input_layernorm.weight", hidden),
		MLPNorm:       m.norm(at+"post_attention_layernorm.weight", hidden),
		Q:             m.linear(at+"self_attn.q_proj", hidden, queries, a.QKVBias),
		K:             m.linear(at+"self_attn.k_proj", hidden, keys, a.QKVBias),
		V:             m.linear(at+"self_attn.v_proj", hidden, keys, a.QKVBias),
		O:             m.linear(at+"self_attn.o_proj", queries, hidden, a.OutBias),
		Gate:          m.linear(at+"mlp.gate_proj", hidden, l.MLP.Hidden, l.MLP.Bias),
		Up:            m.linear(at+"mlp.up_proj", hidden, l.MLP.Hidden, l.MLP.Bias),
		Down:          m.linear(at+"mlp.down_proj", l.MLP.Hidden, hidden, l.MLP.Bias),
	}
	if a.QKNorm {
		out.QNorm = m.norm(at+"self_attn.q_norm.weight", a.HeadDim)
		out.KNorm = m.norm(at+"self_attn.k_norm.weight", a.HeadDim)
	}
	return out
}

func (m *matcher) linear(path string, in, out int, bias bool) Linear {
	l := Linear{Path: path, In: in, Out: out, Bias: bias}
	q, err := m.quant.of(path, in, m.index)
	if err != nil {
		m.fail(err)
		return l
	}
	if bias {
		m.float(path+".bias", out)
	}
	if q == nil {
		m.float(path+".weight", out, in)
		return l
	}
	if in%q.Group != 0 {
		m.fail(fmt.Errorf("%s: %d inputs are not a multiple of the quantisation group %d", path, in, q.Group))
	}
	m.want(path+".weight", []string{"U32"}, out, in*q.Bits/32)
	m.float(path+".scales", out, in/q.Group)
	m.float(path+".biases", out, in/q.Group)
	l.Quant = q
	return l
}

func (m *matcher) norm(name string, width int) string {
	m.float(name, width)
	return name
}

func (m *matcher) float(name string, shape ...int) {
	m.want(name, []string{"F32", "F16", "BF16"}, shape...)
}

func (m *matcher) want(name string, dtypes []string, shape ...int) {
	t, ok := m.index.Tensors[name]
	if !ok {
		m.fail(fmt.Errorf("tensor %q is missing from %s", name, strings.Join(m.index.Files, ", ")))
		return
	}
	m.used[name] = true
	if !slices.EqualFunc(t.Shape, shape, func(a int64, b int) bool { return a == int64(b) }) {
		m.fail(fmt.Errorf("%s: tensor %q has shape %v, want %v by config.json", t.File, name, t.Shape, shape))
	}
	if !slices.Contains(dtypes, t.DType) {
		m.fail(fmt.Errorf("%s: tensor %q has dtype %s, want %s", t.File, name, t.DType, strings.Join(dtypes, " or ")))
	}
}

func (m *matcher) fail(err error) {
	if m.err == nil {
		m.err = err
	}
}

// unused refuses tensors that the spec has no place for, but for those that old
// files carry along: precomputed rope frequencies and a copy of a tied head.
func (m *matcher) unused() error {
	var extra []string
	for name := range m.index.Tensors {
		carried := strings.HasSuffix(name, "rotary_emb.inv_freq") || m.spec.Tied && strings.HasPrefix(name, "lm_head.")
		if !m.used[name] && !carried {
			extra = append(extra, name)
		}
	}
	if len(extra) == 0 {
		return nil
	}
	slices.Sort(extra)
	t := m.index.Tensors[extra[0]]
	return fmt.Errorf("%s: tensor %q (and %d more) has no place in a %s model with this config.json", t.File, clip(t.Name), len(extra)-1, m.spec.Family)
}
