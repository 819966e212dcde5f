package engine

import (
	"fmt"
	"math"
)

// Spec says what a decoder computes, layer by layer, without saying from which
// file its numbers came. The forward pass follows it and knows no model family;
// a new family is a function from config.json to a Spec (families.go).
//
// Every Spec that leaves this package has passed validate: sizes are positive
// and small enough that their products fit an int64, heads divide evenly, and
// every float is finite.
type Spec struct {
	Family       string // config.json's model_type
	Vocab        int    // rows of the embedding; token ids are in [0, Vocab)
	Hidden       int    // width of the residual stream
	MaxPositions int    // longest context the model was made for, in tokens
	NormEps      float64
	Tied         bool // logits use the embedding; there is no lm_head
	Layers       []Layer
}

// Layer is one pre-norm transformer block:
//
//	h += attention(norm(h)); h += mlp(norm(h))
type Layer struct {
	Attention Attention
	MLP       MLP
}

// Attention is grouped-query attention: Heads/KVHeads query heads share one
// key and value head.
type Attention struct {
	Heads   int
	KVHeads int
	HeadDim int // even
	QKVBias bool
	OutBias bool
	QKNorm  bool    // RMS norm over each head of q and k, before rope
	Scale   float64 // multiplies q·k
	Window  int     // a token sees itself and Window-1 before it; 0 means all
	Rope    *Rope   // nil: no positions in this layer. Layers may share one Rope
}

// MLP is down(silu(gate(x)) * up(x)).
type MLP struct {
	Hidden int
	Bias   bool
}

// Ceilings on what config.json may ask for. They are far above any known model
// and keep every size computed from them within an int64.
const (
	maxVocab     = 1 << 22
	maxWidth     = 1 << 20
	maxLayers    = 1 << 10
	maxHeads     = 1 << 12
	maxHeadDim   = 1 << 12
	maxPositions = 1 << 30
)

func (s *Spec) validate() error {
	if err := between("vocab_size", s.Vocab, 1, maxVocab); err != nil {
		return err
	}
	if err := between("hidden_size", s.Hidden, 1, maxWidth); err != nil {
		return err
	}
	if err := between("max_position_embeddings", s.MaxPositions, 1, maxPositions); err != nil {
		return err
	}
	if err := between("num_hidden_layers", len(s.Layers), 1, maxLayers); err != nil {
		return err
	}
	if !(s.NormEps > 0 && s.NormEps < 1) {
		return fmt.Errorf("rms_norm_eps is %g, want a number between 0 and 1", s.NormEps)
	}
	for i, l := range s.Layers {
		if err := l.validate(); err != nil {
			return fmt.Errorf("layer %d: %w", i, err)
		}
	}
	return nil
}

func (l *Layer) validate() error {
	a := &l.Attention
	if err := between("num_attention_heads", a.Heads, 1, maxHeads); err != nil {
		return err
	}
	if err := between("num_key_value_heads", a.KVHeads, 1, a.Heads); err != nil {
		return err
	}
	if a.Heads%a.KVHeads != 0 {
		return fmt.Errorf("num_attention_heads %d is not a multiple of num_key_value_heads %d", a.Heads, a.KVHeads)
	}
	if err := between("head_dim", a.HeadDim, 2, maxHeadDim); err != nil {
		return err
	}
	if a.HeadDim%2 != 0 {
		return fmt.Errorf("head_dim %d is odd", a.HeadDim)
	}
	if err := between("sliding_window", a.Window, 0, maxPositions); err != nil {
		return err
	}
	if !(a.Scale > 0) || math.IsInf(a.Scale, 0) {
		return fmt.Errorf("attention scale %g is not a positive number", a.Scale)
	}
	if err := between("intermediate_size", l.MLP.Hidden, 1, maxWidth); err != nil {
		return err
	}
	if a.Rope != nil {
		return a.Rope.validate(a.HeadDim)
	}
	return nil
}

func between(name string, v, low, high int) error {
	if v < low || v > high {
		return fmt.Errorf("%s is %d, want %d to %d", name, v, low, high)
	}
	return nil
}
