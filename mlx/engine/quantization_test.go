package engine

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func readQuant(t *testing.T, configJSON string) (*quantizations, error) {
	t.Helper()
	var c config
	require.NoError(t, json.Unmarshal([]byte(configJSON), &c))
	return readQuantization(&c)
}

func TestQuantizationEntries(t *testing.T) {
	q, err := readQuant(t, `{"quantization": {"group_size": 64, "bits": 4, "mode": "affine",
		"a": false, "b": true, "c": {"group_size": 32, "bits": 8}, "note": "not a layer"}}`)
	require.NoError(t, err)
	base := Quantization{Group: 64, Bits: 4}
	require.Equal(t, &base, q.base)
	require.Equal(t, map[string]*Quantization{"a": nil, "b": &base, "c": {Group: 32, Bits: 8}}, q.exceptions)
}

// mlx-lm writes the same entry under both keys; either alone is enough.
func TestQuantizationConfigIsMLXsCopy(t *testing.T) {
	q, err := readQuant(t, `{"quantization": null, "quantization_config": {"group_size": 32, "bits": 8}}`)
	require.NoError(t, err)
	require.Equal(t, &Quantization{Group: 32, Bits: 8}, q.base)

	q, err = readQuant(t, `{}`)
	require.NoError(t, err)
	require.Nil(t, q.base)
}

func TestQuantizationRefused(t *testing.T) {
	for name, c := range map[string]struct{ config, want string }{
		"not an object":   {`{"quantization": 4}`, "not an object"},
		"foreign":         {`{"quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 64}}`, `"awq"`},
		"group":           {`{"quantization": {"group_size": 48, "bits": 4}}`, "group_size 48"},
		"negative":        {`{"quantization": {"group_size": -64, "bits": 4}}`, "group_size -64"},
		"no bits":         {`{"quantization": {"group_size": 64}}`, "missing"},
		"layer's bits":    {`{"quantization": {"group_size": 64, "bits": 4, "x": {"group_size": 64, "bits": 2}}}`, "of x"},
		"layer's mode":    {`{"quantization": {"group_size": 64, "bits": 4, "x": {"mode": "nvfp4"}}}`, "nvfp4"},
		"wrong type":      {`{"quantization": {"group_size": "64", "bits": 4}}`, "group_size is a string"},
		"bits a fraction": {`{"quantization": {"group_size": 64, "bits": 4.5}}`, "bits"},
	} {
		_, err := readQuant(t, c.config)
		require.ErrorContains(t, err, c.want, name)
	}
}

// Without an entry the shapes say how a layer is packed.
func TestQuantizationIsInferred(t *testing.T) {
	index := func(words, groups int64) *Index {
		return &Index{Tensors: map[string]Tensor{
			"x.weight": {Shape: []int64{8, words}}, "x.scales": {Shape: []int64{8, groups}}, "y.weight": {Shape: []int64{8, 256}},
		}}
	}
	q := &quantizations{base: &Quantization{Group: 64, Bits: 4}}
	for _, want := range []Quantization{{64, 4}, {32, 8}, {128, 4}} {
		got, err := q.of("x", 256, index(int64(256*want.Bits/32), int64(256/want.Group)))
		require.NoError(t, err)
		require.Equal(t, want, *got)
	}
	got, err := q.of("y", 256, index(1, 1))
	require.NoError(t, err)
	require.Nil(t, got)
	for _, shapes := range [][2]int64{{0, 4}, {32, 0}, {1000, 4}, {32, 300}} {
		_, err := q.of("x", 256, index(shapes[0], shapes[1]))
		require.ErrorContains(t, err, "x", "%v", shapes)
	}
}
