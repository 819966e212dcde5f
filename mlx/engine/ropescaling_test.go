package engine

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func scaled(t *testing.T, scaling string) (*Rope, error) {
	t.Helper()
	in := ropeInput{dims: 8, theta: 1e4, maxPosition: 128}
	require.NoError(t, json.Unmarshal([]byte(scaling), &in.scaling))
	return newRope(in)
}

// The parity models compare whole decoders; here are the keys that mlx-lm
// ignores or files seldom write.
func TestRopeScalings(t *testing.T) {
	plain := inverseFrequencies(1e4, 8)
	for name, c := range map[string]struct {
		scaling    string
		inv        []float64
		multiplier float64
	}{
		"nothing":           {`{}`, plain, 1},
		"type before name":  {`{"type": "linear", "rope_type": "default", "factor": 2}`, []float64{0.5, 0.05, 0.005, 0.0005}, 1},
		"llama3 keeps fast": {`{"rope_type": "llama3", "factor": 8, "original_max_position_embeddings": 1e9}`, plain, 1},
		"llama3 stretches":  {`{"rope_type": "llama3", "factor": 2, "original_max_position_embeddings": 1}`, []float64{0.5, 0.05, 0.005, 0.0005}, 1},
		"yarn":              {`{"type": "yarn", "factor": 4, "beta_fast": 2e-4, "beta_slow": 7e-6}`, plain, 0.1*math.Log(4) + 1},
		"yarn's own factor": {`{"type": "yarn", "factor": 4, "beta_fast": 2e-4, "beta_slow": 7e-6, "attention_factor": 1.5}`, plain, 1.5},
		"yarn of one":       {`{"type": "yarn", "factor": 1, "original_max_position_embeddings": 32}`, plain, 1},
		"one long factor":   {`{"type": "su", "long_factor": 2, "original_max_position_embeddings": 128}`, []float64{0.5, 0.05, 0.005, 0.0005}, 1},
		"longrope grows":    {`{"type": "longrope", "long_factor": [1,1,1,1], "original_max_position_embeddings": 64}`, plain, math.Sqrt(1 + math.Log(2)/math.Log(64))},
	} {
		r, err := scaled(t, c.scaling)
		require.NoError(t, err, name)
		require.NoError(t, r.validate(8), name)
		require.InDeltaSlice(t, c.inv, r.InvFreq, 1e-9, name)
		require.InDelta(t, c.multiplier, r.Multiplier, 1e-9, name)
	}
}

func TestRopeScalingsRefused(t *testing.T) {
	for name, c := range map[string]struct{ scaling, want string }{
		"unknown":       {`{"type": "mrope"}`, `"mrope"`},
		"partial":       {`{"partial_rotary_factor": 0.5}`, "partial_rotary_factor 0.5"},
		"by layer type": {`{"full_attention": {"rope_type": "default"}}`, "per layer type"},
		"small factor":  {`{"type": "yarn", "factor": 0.5}`, "factor is 0.5"},
		"no factor":     {`{"type": "dynamic"}`, "factor is missing"},
		"llama3 ranges": {`{"type": "llama3", "factor": 2, "low_freq_factor": 4, "high_freq_factor": 4}`, "do not fit"},
		"yarn ranges":   {`{"type": "yarn", "factor": 2, "beta_slow": 0}`, "do not fit"},
		"yarn original": {`{"type": "yarn", "factor": 2, "original_max_position_embeddings": -1}`, "original_max_position_embeddings is -1"},
		"long factor":   {`{"type": "longrope", "long_factor": [1, 0, 1, 1]}`, "long_factor 1 is 0"},
		"no long":       {`{"type": "longrope"}`, "long_factor has 0 values"},
	} {
		_, err := scaled(t, c.scaling)
		require.ErrorContains(t, err, c.want, name)
	}
}

func TestYarnWithoutRounding(t *testing.T) {
	const keys = `"type": "yarn", "factor": 4, "original_max_position_embeddings": 64, "beta_fast": 8`
	rounded, err := scaled(t, `{`+keys+`}`)
	require.NoError(t, err)
	exact, err := scaled(t, `{`+keys+`, "truncate": false}`)
	require.NoError(t, err)
	require.NotEqual(t, rounded.InvFreq, exact.InvFreq)
}
