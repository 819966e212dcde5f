package engine

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func specOf(t *testing.T, changes map[string]any) *Spec {
	t.Helper()
	raw, err := json.Marshal(tinyConfig(changes))
	require.NoError(t, err)
	var c config
	require.NoError(t, json.Unmarshal(raw, &c))
	spec, err := newSpec(&c, false)
	require.NoError(t, err)
	return spec
}

func TestFamilies(t *testing.T) {
	llama := specOf(t, nil).Layers[0].Attention
	require.Equal(t, Attention{Heads: 2, KVHeads: 1, HeadDim: 4, Scale: 0.5, Rope: llama.Rope}, llama)
	require.InDeltaSlice(t, []float64{1, 0.01}, llama.Rope.InvFreq, 1e-12)

	biased := specOf(t, map[string]any{"attention_bias": true, "mlp_bias": true}).Layers[0]
	require.True(t, biased.Attention.QKVBias && biased.Attention.OutBias && biased.MLP.Bias)

	qwen2 := specOf(t, map[string]any{"model_type": "qwen2"}).Layers[0].Attention
	require.True(t, qwen2.QKVBias && !qwen2.OutBias)
	require.InDelta(t, 1e-3, qwen2.Rope.InvFreq[1], 1e-12)

	qwen3 := specOf(t, map[string]any{"model_type": "qwen3", "rope_theta": 1e4, "head_dim": 8}).Layers[0].Attention
	require.True(t, qwen3.QKNorm && !qwen3.QKVBias)
	require.Equal(t, 8, qwen3.HeadDim)

	require.Equal(t, 5, specOf(t, map[string]any{"model_type": "mistral", "sliding_window": 5}).Layers[0].Attention.Window)
	require.Zero(t, specOf(t, map[string]any{"sliding_window": 5}).Layers[0].Attention.Window)
}

func TestKVHeadsDefaultToHeads(t *testing.T) {
	require.Equal(t, 2, specOf(t, map[string]any{"num_key_value_heads": nil}).Layers[0].Attention.KVHeads)
}

func TestSmolLM3LayersWithoutRope(t *testing.T) {
	rotates := func(changes map[string]any) (got []bool) {
		changes["model_type"], changes["num_hidden_layers"] = "smollm3", 4
		for _, l := range specOf(t, changes).Layers {
			got = append(got, l.Attention.Rope != nil)
		}
		return got
	}
	require.Equal(t, []bool{true, true, true, false}, rotates(map[string]any{}))
	require.Equal(t, []bool{true, false, true, false}, rotates(map[string]any{"no_rope_layer_interval": 2}))
	require.Equal(t, []bool{false, true, true, true}, rotates(map[string]any{"no_rope_layers": []int{0, 1, 1, 1}}))
}

func TestQwenWindows(t *testing.T) {
	windows := func(changes map[string]any) (got []int) {
		changes["model_type"], changes["num_hidden_layers"] = "qwen2", 2
		changes["sliding_window"], changes["max_window_layers"] = 8, 1
		for _, l := range specOf(t, changes).Layers {
			got = append(got, l.Attention.Window)
		}
		return got
	}
	require.Equal(t, []int{0, 0}, windows(map[string]any{}))
	require.Equal(t, []int{0, 8}, windows(map[string]any{"use_sliding_window": true}))
	require.Equal(t, []int{8, 0}, windows(map[string]any{"layer_types": []string{"sliding_attention", "full_attention"}}))
}

// rope_parameters of transformers 5 means what the older keys mean.
func TestNestedRopeParameters(t *testing.T) {
	scaling := map[string]any{"rope_type": "llama3", "factor": 8, "original_max_position_embeddings": 64}
	old := specOf(t, map[string]any{"rope_scaling": scaling, "rope_theta": 5e5})
	scaling["rope_theta"] = 5e5
	require.Equal(t, old, specOf(t, map[string]any{"rope_parameters": scaling}))
}

func TestRopeTables(t *testing.T) {
	r := &Rope{InvFreq: []float64{1, 0.5}, Multiplier: 2}
	cos, sin, partner := r.Tables([]int32{0, 3})
	c, s := func(x float64) float32 { return float32(2 * math.Cos(x)) }, func(x float64) float32 { return float32(2 * math.Sin(x)) }
	require.InDeltaSlice(t, []float32{2, 2, 2, 2, c(3), c(1.5), c(3), c(1.5)}, cos, 1e-6)
	require.InDeltaSlice(t, []float32{0, 0, 0, 0, -s(3), -s(1.5), s(3), s(1.5)}, sin, 1e-6)
	require.Equal(t, []int32{2, 3, 0, 1}, partner)

	r.Interleaved = true
	cos, sin, partner = r.Tables([]int32{3})
	require.InDeltaSlice(t, []float32{c(3), c(3), c(1.5), c(1.5)}, cos, 1e-6)
	require.InDeltaSlice(t, []float32{-s(3), s(3), -s(1.5), s(1.5)}, sin, 1e-6)
	require.Equal(t, []int32{1, 0, 3, 2}, partner)
}

// A key's rotation depends on its own position only, within the trained length
// and beyond it.
func TestDynamicRopeIsPerPosition(t *testing.T) {
	r := specOf(t, map[string]any{"rope_scaling": map[string]any{"type": "dynamic", "factor": 4}}).Layers[0].Attention.Rope
	require.Equal(t, r.InvFreq, r.frequencies(63))
	require.Less(t, r.frequencies(64)[1], r.InvFreq[1])
	together, _, _ := r.Tables([]int32{10, 70, 200})
	alone, _, _ := r.Tables([]int32{70})
	require.Equal(t, alone, together[4:8])
}

func TestContextFollowsScaling(t *testing.T) {
	context := func(scaling map[string]any) int {
		return specOf(t, map[string]any{"rope_scaling": scaling}).MaxPositions
	}
	require.Equal(t, 256, context(map[string]any{"type": "dynamic", "factor": 4}))
	require.Equal(t, 128, context(map[string]any{"type": "yarn", "factor": 4, "original_max_position_embeddings": 32}))
	require.Equal(t, 64, context(map[string]any{"type": "linear", "factor": 4}))
	require.Equal(t, 64, context(map[string]any{"type": "llama3", "factor": 4}))
}

func TestMemoryPlan(t *testing.T) {
	folder, err := ReadFolder(tinyFolder(t, tinyConfig(nil)), "tiny")
	require.NoError(t, err)
	var values int64
	for _, shape := range tinyShapes() {
		n, err := product(shape, 1)
		require.NoError(t, err)
		values += n
	}
	plan := folder.MemoryPlan(Options{BlockTokens: 8, Reference: true})
	require.Equal(t, Plan{
		Weights: 4 * values, Files: 2 * values, KVBits: 16, KVPerToken: 16, BlockTokens: 8,
		BlockBytes: 128, Blocks: 8, PoolBytes: 1024, ContextBlocks: 8, Uncovered: "MLX's operations were asked for",
	}, plan)
	require.Equal(t, 3, folder.MemoryPlan(Options{BlockTokens: 8, KVBytes: 500, Reference: true}).Blocks)
	// For the kernels a head of four numbers is filled up to vectors of sixteen.
	require.EqualValues(t, 2*(16*4)+2*(16*16), folder.MemoryPlan(Options{BlockTokens: 16}).BlockBytes)
}
