package engine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"troupe/mlx"
	"troupe/runtime/chat"
	"troupe/runtime/model"
)

// forEachForm runs a test for both backends and every form of the cache.
func forEachForm(t *testing.T, test func(t *testing.T, o Options)) {
	for _, reference := range []bool{true, false} {
		for _, bits := range []int{16, 8, 4} {
			t.Run(fmt.Sprintf("reference=%v/bits=%d", reference, bits), func(t *testing.T) {
				test(t, Options{Reference: reference, KVBits: bits})
			})
		}
	}
}

// forEachISA runs a test for every instruction set that the machine has.
func forEachISA(t *testing.T, test func(t *testing.T, o Options)) {
	requireMLX(t)
	for _, isa := range []string{"avx512", "avx2", "portable"} {
		t.Run(isa, func(t *testing.T) {
			k, err := mlx.NewKernels(mlx.KernelOptions{ISA: isa})
			if err != nil && isa != "portable" {
				t.Skip(err)
			}
			require.NoError(t, err)
			k.Close()
			test(t, Options{ISA: isa})
		})
	}
}

// entry is a tensor of a safetensors file under construction.
type entry struct {
	DType   string  `json:"dtype"`
	Shape   []int64 `json:"shape"`
	Offsets []int64 `json:"data_offsets"`
}

// safetensorsFile lays tensors out one after another, filled with zeros. change
// may then falsify the header.
func safetensorsFile(t testing.TB, shapes map[string][]int64, change func(map[string]*entry)) []byte {
	t.Helper()
	header := map[string]*entry{}
	var at int64
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		size, err := product(shapes[name], 2)
		require.NoError(t, err)
		header[name] = &entry{DType: "F16", Shape: shapes[name], Offsets: []int64{at, at + size}}
		at += size
	}
	if change != nil {
		change(header)
	}
	raw, err := json.Marshal(header)
	require.NoError(t, err)
	return append(rawHeader(uint64(len(raw)), raw), make([]byte, at)...)
}

func rawHeader(length uint64, header []byte) []byte {
	return append(binary.LittleEndian.AppendUint64(nil, length), header...)
}

// tinyConfig is a llama of one layer; keys may be changed, or deleted by nil.
func tinyConfig(changes map[string]any) map[string]any {
	c := map[string]any{
		"model_type": "llama", "vocab_size": 256, "hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 16,
		"num_attention_heads": 2, "num_key_value_heads": 1, "rms_norm_eps": 1e-5, "max_position_embeddings": 64,
		"tie_word_embeddings": true,
	}
	for k, v := range changes {
		if v == nil {
			delete(c, k)
		} else {
			c[k] = v
		}
	}
	return c
}

// tinyShapes are the tensors of tinyConfig.
func tinyShapes() map[string][]int64 {
	return map[string][]int64{
		"model.embed_tokens.weight":                      {256, 8},
		"model.norm.weight":                              {8},
		"model.layers.0.input_layernorm.weight":          {8},
		"model.layers.0.post_attention_layernorm.weight": {8},
		"model.layers.0.self_attn.q_proj.weight":         {8, 8},
		"model.layers.0.self_attn.k_proj.weight":         {4, 8},
		"model.layers.0.self_attn.v_proj.weight":         {4, 8},
		"model.layers.0.self_attn.o_proj.weight":         {8, 8},
		"model.layers.0.mlp.gate_proj.weight":            {16, 8},
		"model.layers.0.mlp.up_proj.weight":              {16, 8},
		"model.layers.0.mlp.down_proj.weight":            {8, 16},
	}
}

// tinyFolder is a valid folder, which tests then break.
func tinyFolder(t testing.TB, config map[string]any) fstest.MapFS {
	t.Helper()
	raw, err := json.Marshal(config)
	require.NoError(t, err)
	tokenizer, err := os.ReadFile("testdata/parity/llama-f32/tokenizer.json")
	require.NoError(t, err)
	return fstest.MapFS{
		"config.json":       {Data: raw},
		"tokenizer.json":    {Data: tokenizer},
		"model.safetensors": {Data: safetensorsFile(t, tinyShapes(), nil)},
	}
}

// renderNothing renders a template that looks at no message.
func renderNothing(t *testing.T, m *model.Model) string {
	t.Helper()
	text, err := m.Render(t.Context(), chat.Input{})
	require.NoError(t, err)
	return text
}
