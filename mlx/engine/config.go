package engine

import (
	"encoding/json"
	"fmt"
	"math"
)

// config is config.json as far as the families of this package read it. A nil
// pointer is an absent key, so that each family can apply its own default.
type config struct {
	ModelType     string   `json:"model_type"`
	Architectures []string `json:"architectures"`
	HiddenAct     string   `json:"hidden_act"`

	Vocab        *int     `json:"vocab_size"`
	Hidden       *int     `json:"hidden_size"`
	Layers       *int     `json:"num_hidden_layers"`
	Intermediate *int     `json:"intermediate_size"`
	Heads        *int     `json:"num_attention_heads"`
	KVHeads      *int     `json:"num_key_value_heads"`
	HeadDim      *int     `json:"head_dim"`
	MaxPositions *int     `json:"max_position_embeddings"`
	NormEps      *float64 `json:"rms_norm_eps"`
	Tied         *bool    `json:"tie_word_embeddings"`

	AttentionBias *bool `json:"attention_bias"`
	MLPBias       *bool `json:"mlp_bias"`

	RopeTheta       *float64    `json:"rope_theta"`
	RopeTraditional bool        `json:"rope_traditional"`
	RopeScaling     *ropeConfig `json:"rope_scaling"`
	RopeParameters  *ropeConfig `json:"rope_parameters"`
	OriginalMax     *float64    `json:"original_max_position_embeddings"`
	Partial         *float64    `json:"partial_rotary_factor"`

	LayerTypes     []string `json:"layer_types"`
	SlidingWindow  *int     `json:"sliding_window"`
	UseSliding     *bool    `json:"use_sliding_window"`
	MaxWindowLayer *int     `json:"max_window_layers"`

	NoRopeLayers   []int `json:"no_rope_layers"`
	NoRopeInterval *int  `json:"no_rope_layer_interval"`

	BOS tokenIDs `json:"bos_token_id"`
	EOS tokenIDs `json:"eos_token_id"`

	Quantization       json.RawMessage `json:"quantization"`
	QuantizationConfig json.RawMessage `json:"quantization_config"`
}

// required names the keys without which no decoder can be built.
func (c *config) required() error {
	keys := []struct {
		name string
		v    *int
	}{
		{"vocab_size", c.Vocab}, {"hidden_size", c.Hidden}, {"num_hidden_layers", c.Layers},
		{"intermediate_size", c.Intermediate}, {"num_attention_heads", c.Heads},
	}
	for _, k := range keys {
		if k.v == nil {
			return fmt.Errorf("%s is missing", k.name)
		}
	}
	if c.NormEps == nil {
		return fmt.Errorf("rms_norm_eps is missing")
	}
	if err := between("hidden_size", *c.Hidden, 1, maxWidth); err != nil {
		return err
	}
	if err := between("num_attention_heads", *c.Heads, 1, maxHeads); err != nil {
		return err
	}
	// Before a layer is allocated for each.
	return between("num_hidden_layers", *c.Layers, 1, maxLayers)
}

// decoder builds the part that all families share: full attention with one rope
// in every layer. Families then change what is theirs.
func (c *config) decoder() (*Spec, error) {
	if err := c.required(); err != nil {
		return nil, err
	}
	if c.HiddenAct != "" && c.HiddenAct != "silu" && c.HiddenAct != "swish" {
		return nil, fmt.Errorf("hidden_act %q is not supported, only silu", c.HiddenAct)
	}
	headDim, err := c.headDim()
	if err != nil {
		return nil, err
	}
	spec := &Spec{
		Family:  c.ModelType,
		Vocab:   *c.Vocab,
		Hidden:  *c.Hidden,
		NormEps: *c.NormEps,
		Layers:  make([]Layer, *c.Layers),
	}
	var rope *Rope
	rope, spec.MaxPositions, err = c.rope(headDim)
	if err != nil {
		return nil, err
	}
	for i := range spec.Layers {
		spec.Layers[i] = Layer{
			Attention: Attention{
				Heads: *c.Heads, KVHeads: deref(c.KVHeads, *c.Heads), HeadDim: headDim,
				Scale: 1 / math.Sqrt(float64(headDim)), Rope: rope,
			},
			MLP: MLP{Hidden: *c.Intermediate},
		}
	}
	return spec, nil
}

func (c *config) headDim() (int, error) {
	if c.HeadDim != nil {
		return *c.HeadDim, between("head_dim", *c.HeadDim, 2, maxHeadDim)
	}
	if *c.Hidden%*c.Heads != 0 {
		return 0, fmt.Errorf("hidden_size %d is not a multiple of num_attention_heads %d, and head_dim is missing", *c.Hidden, *c.Heads)
	}
	d := *c.Hidden / *c.Heads
	return d, between("hidden_size / num_attention_heads", d, 2, maxHeadDim)
}

// rope merges the old place of the keys with transformers 5's; the old one wins.
// It also returns the context that the model reaches with it.
func (c *config) rope(headDim int) (*Rope, int, error) {
	in := ropeInput{dims: headDim, theta: 10000, maxPosition: deref(c.MaxPositions, 2048), originalMax: c.OriginalMax}
	if err := between("max_position_embeddings", in.maxPosition, 1, maxPositions); err != nil {
		return nil, 0, err
	}
	if c.RopeParameters != nil {
		in.scaling = *c.RopeParameters
	}
	if c.RopeScaling != nil {
		in.scaling = *c.RopeScaling
	}
	switch {
	case c.RopeTheta != nil:
		in.theta = *c.RopeTheta
	case c.RopeParameters != nil && c.RopeParameters.Theta != nil:
		in.theta = *c.RopeParameters.Theta
	case c.ModelType == "qwen2":
		in.theta = 1e6
	case c.ModelType == "qwen3":
		return nil, 0, fmt.Errorf("rope_theta is missing")
	}
	if in.scaling.Partial == nil {
		in.scaling.Partial = c.Partial
	}
	r, err := newRope(in)
	if err != nil {
		return nil, 0, err
	}
	r.Interleaved = c.RopeTraditional
	return r, in.context(r), nil
}

// windows applies layer_types and sliding_window. Without layer_types, sliding
// says whether layer i slides when sliding_window is set.
func (c *config) windows(spec *Spec, sliding func(i int) bool) error {
	if c.LayerTypes != nil && len(c.LayerTypes) != len(spec.Layers) {
		return fmt.Errorf("layer_types has %d entries, want %d", len(c.LayerTypes), len(spec.Layers))
	}
	for i := range spec.Layers {
		slides := c.SlidingWindow != nil && sliding(i)
		if c.LayerTypes != nil {
			switch c.LayerTypes[i] {
			case "full_attention":
				slides = false
			case "sliding_attention":
				slides = true
			default:
				return fmt.Errorf("layer_types[%d] %q is not supported, only full_attention and sliding_attention", i, c.LayerTypes[i])
			}
		}
		if !slides {
			continue
		}
		if c.SlidingWindow == nil {
			return fmt.Errorf("layer_types[%d] slides, but sliding_window is missing", i)
		}
		if err := between("sliding_window", *c.SlidingWindow, 1, maxPositions); err != nil {
			return err
		}
		spec.Layers[i].Attention.Window = *c.SlidingWindow
	}
	return nil
}

func deref[T any](p *T, fallback T) T {
	if p == nil {
		return fallback
	}
	return *p
}
