package engine

import (
	"fmt"
	"strings"
)

// family turns a config into a Spec. The names that mlx-lm maps to llama map to
// it here as well; smollm2 says llama in its own files.
func family(modelType string) (func(*config) (*Spec, error), bool) {
	switch modelType {
	case "llama", "iquestcoder", "xverse":
		return llama, true
	case "mistral":
		return mistral, true
	case "smollm3":
		return smollm3, true
	case "qwen2":
		return qwen2, true
	case "qwen3":
		return qwen3, true
	}
	return nil, false
}

const supported = "llama, mistral, smollm3, qwen2, qwen3"

// newSpec builds and checks the spec of a config. hasHead says whether the
// weights hold a head of their own: it decides the tying where tie_word_embeddings
// is absent, whose default differs between the libraries that write the files.
func newSpec(c *config, hasHead bool) (*Spec, error) {
	build, ok := family(c.ModelType)
	if !ok {
		name := fmt.Sprintf("model_type %q", c.ModelType)
		if c.ModelType == "" {
			name = "model_type is missing, and architecture [" + strings.Join(c.Architectures, " ") + "]"
		}
		return nil, fmt.Errorf("%.200s is not supported; supported are %s", name, supported)
	}
	spec, err := build(c)
	if err != nil {
		return nil, err
	}
	spec.Tied = deref(c.Tied, !hasHead)
	return spec, spec.validate()
}

func llama(c *config) (*Spec, error) {
	return llamaLike(c, func(int) bool { return false })
}

// mistral slides in every layer when the file sets a window, as it was trained;
// mlx-lm ignores the key and differs beyond the window.
func mistral(c *config) (*Spec, error) {
	return llamaLike(c, func(int) bool { return true })
}

func llamaLike(c *config, sliding func(int) bool) (*Spec, error) {
	spec, err := c.decoder()
	if err != nil {
		return nil, err
	}
	for i := range spec.Layers {
		l := &spec.Layers[i]
		l.Attention.QKVBias = deref(c.AttentionBias, false)
		l.Attention.OutBias = l.Attention.QKVBias
		l.MLP.Bias = deref(c.MLPBias, false)
	}
	return spec, c.windows(spec, sliding)
}

// smollm3 is llama without positions in some layers, every fourth by default.
func smollm3(c *config) (*Spec, error) {
	spec, err := llama(c)
	if err != nil {
		return nil, err
	}
	if c.NoRopeLayers != nil && len(c.NoRopeLayers) != len(spec.Layers) {
		return nil, fmt.Errorf("no_rope_layers has %d entries, want %d", len(c.NoRopeLayers), len(spec.Layers))
	}
	interval := deref(c.NoRopeInterval, 4)
	if err := between("no_rope_layer_interval", interval, 1, maxLayers); err != nil {
		return nil, err
	}
	for i := range spec.Layers {
		// The key's name reads the other way round: 1 means the layer has rope.
		rotates := (i+1)%interval != 0
		if c.NoRopeLayers != nil {
			rotates = c.NoRopeLayers[i] != 0
		}
		if !rotates {
			spec.Layers[i].Attention.Rope = nil
		}
	}
	return spec, nil
}

func qwen2(c *config) (*Spec, error) {
	spec, err := qwen(c)
	if err != nil {
		return nil, err
	}
	for i := range spec.Layers {
		spec.Layers[i].Attention.QKVBias = true
	}
	return spec, nil
}

func qwen3(c *config) (*Spec, error) {
	spec, err := qwen(c)
	if err != nil {
		return nil, err
	}
	if deref(c.AttentionBias, false) {
		return nil, fmt.Errorf("attention_bias is not supported for qwen3")
	}
	for i := range spec.Layers {
		spec.Layers[i].Attention.QKNorm = true
	}
	return spec, nil
}

// qwen slides only if use_sliding_window says so, and only from
// max_window_layers upwards.
func qwen(c *config) (*Spec, error) {
	spec, err := c.decoder()
	if err != nil {
		return nil, err
	}
	first := deref(c.MaxWindowLayer, len(spec.Layers))
	return spec, c.windows(spec, func(i int) bool {
		return deref(c.UseSliding, false) && i >= first
	})
}
