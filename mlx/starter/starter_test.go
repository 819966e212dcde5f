package starter

import (
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/stretchr/testify/require"
)

const maxBytes = 8 << 20 // of all files together: they are part of every binary

type config struct {
	ModelType   string  `json:"model_type"`
	VocabSize   int     `json:"vocab_size"`
	HiddenSize  int     `json:"hidden_size"`
	Layers      int     `json:"num_hidden_layers"`
	Heads       int     `json:"num_attention_heads"`
	KVHeads     int     `json:"num_key_value_heads"`
	HeadDim     int     `json:"head_dim"`
	FFN         int     `json:"intermediate_size"`
	Context     int     `json:"max_position_embeddings"`
	TieWeights  bool    `json:"tie_word_embeddings"`
	RopeTheta   float64 `json:"rope_theta"`
	EOSTokenIDs []int   `json:"eos_token_id"`
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := fs.ReadFile(FS(), name)
	require.NoError(t, err)
	return data
}

func readConfig(t *testing.T) config {
	t.Helper()
	var c config
	require.NoError(t, json.Unmarshal(read(t, "config.json"), &c))
	return c
}

func TestFilesArePresentAndSmall(t *testing.T) {
	total := 0
	for _, name := range []string{"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} {
		data := read(t, name)
		require.NotEmpty(t, data, name)
		total += len(data)
	}
	require.Less(t, total, maxBytes)
}

func TestConfigIsLlamaWithALongContext(t *testing.T) {
	c := readConfig(t)
	require.Equal(t, "llama", c.ModelType)
	require.True(t, c.TieWeights)
	require.GreaterOrEqual(t, c.Context, 8192)
	require.Zero(t, c.Heads%c.KVHeads)
	require.Greater(t, c.RopeTheta, 1.0)
	require.Contains(t, c.EOSTokenIDs, 2)
}

// Every tensor that the config promises is there in bfloat16 with its shape, and the data section is exactly as long as the header says.
func TestTensorsMatchConfig(t *testing.T) {
	c, data := readConfig(t), read(t, "model.safetensors")
	require.Greater(t, len(data), 8)
	size := binary.LittleEndian.Uint64(data)
	require.Less(t, size, uint64(len(data)-8))
	var header map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(data[8:8+size], &header))
	delete(header, "__metadata__")

	want := map[string][]int{"model.embed_tokens.weight": {c.VocabSize, c.HiddenSize}, "model.norm.weight": {c.HiddenSize}}
	for layer := range c.Layers {
		for name, shape := range layerShapes(c) {
			want["model.layers."+string(rune('0'+layer))+"."+name+".weight"] = shape
		}
	}
	require.Len(t, header, len(want))
	end := 0
	for name, shape := range want {
		require.Contains(t, header, name)
		var tensor struct {
			Type    string `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}
		require.NoError(t, json.Unmarshal(header[name], &tensor))
		require.Equal(t, "BF16", tensor.Type, name)
		require.Equal(t, shape, tensor.Shape, name)
		bytes := 2
		for _, n := range shape {
			bytes *= n
		}
		require.Equal(t, bytes, tensor.Offsets[1]-tensor.Offsets[0], name)
		end = max(end, tensor.Offsets[1])
	}
	require.Equal(t, len(data), 8+int(size)+end)
}

func layerShapes(c config) map[string][]int {
	q, kv := c.Heads*c.HeadDim, c.KVHeads*c.HeadDim
	return map[string][]int{
		"input_layernorm": {c.HiddenSize}, "post_attention_layernorm": {c.HiddenSize},
		"self_attn.q_proj": {q, c.HiddenSize}, "self_attn.k_proj": {kv, c.HiddenSize},
		"self_attn.v_proj": {kv, c.HiddenSize}, "self_attn.o_proj": {c.HiddenSize, q},
		"mlp.gate_proj": {c.FFN, c.HiddenSize}, "mlp.up_proj": {c.FFN, c.HiddenSize}, "mlp.down_proj": {c.HiddenSize, c.FFN},
	}
}

// The byte alphabet is complete, so that any text has tokens, and the ids of ChatML's marks are those that the configuration stops at.
func TestTokenizerCoversAllBytes(t *testing.T) {
	var tok struct {
		Added []struct {
			ID      int    `json:"id"`
			Content string `json:"content"`
		} `json:"added_tokens"`
		Model struct {
			Type  string         `json:"type"`
			Vocab map[string]int `json:"vocab"`
		} `json:"model"`
	}
	require.NoError(t, json.Unmarshal(read(t, "tokenizer.json"), &tok))
	require.Equal(t, "BPE", tok.Model.Type)
	require.Len(t, tok.Model.Vocab, readConfig(t).VocabSize)
	single := 0
	for token := range tok.Model.Vocab {
		if len([]rune(token)) == 1 {
			single++
		}
	}
	require.GreaterOrEqual(t, single, 256)
	ids := map[string]int{}
	for _, a := range tok.Added {
		ids[a.Content] = a.ID
	}
	require.Equal(t, map[string]int{"<|endoftext|>": 0, "<|im_start|>": 1, "<|im_end|>": 2}, ids)
}

func TestTokenizerConfigHasATemplate(t *testing.T) {
	var c struct {
		Template string `json:"chat_template"`
		EOS      string `json:"eos_token"`
	}
	require.NoError(t, json.Unmarshal(read(t, "tokenizer_config.json"), &c))
	require.Contains(t, c.Template, "add_generation_prompt")
	require.Equal(t, "<|im_end|>", c.EOS)
}
