package engine

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
)

func TestReadFolder(t *testing.T) {
	folder, err := ReadFolder(tinyFolder(t, tinyConfig(nil)), "tiny")
	require.NoError(t, err)
	require.Equal(t, "llama", folder.Spec.Family)
	require.Equal(t, 64, folder.Model.Context)
	require.Nil(t, folder.Layout.Head)
	require.EqualValues(t, 2*2*4, folder.MemoryPlan(Options{Reference: true}).KVPerToken)
	require.Nil(t, folder.Model.Template)
}

// Every broken folder is one error that names the file and the reason.
func TestBrokenFolders(t *testing.T) {
	without := func(name string) func(testing.TB, fstest.MapFS) {
		return func(_ testing.TB, f fstest.MapFS) { delete(f, name) }
	}
	put := func(name, data string) func(testing.TB, fstest.MapFS) {
		return func(_ testing.TB, f fstest.MapFS) { f[name] = &fstest.MapFile{Data: []byte(data)} }
	}
	config := func(key string, value any) func(testing.TB, fstest.MapFS) {
		return func(t testing.TB, f fstest.MapFS) {
			raw, err := json.Marshal(tinyConfig(map[string]any{key: value}))
			require.NoError(t, err)
			f["config.json"] = &fstest.MapFile{Data: raw}
		}
	}
	weights := func(change func(map[string][]int64)) func(testing.TB, fstest.MapFS) {
		return func(t testing.TB, f fstest.MapFS) {
			shapes := tinyShapes()
			change(shapes)
			f["model.safetensors"] = &fstest.MapFile{Data: safetensorsFile(t, shapes, nil)}
		}
	}
	cases := map[string]struct {
		spoil func(testing.TB, fstest.MapFS)
		want  []string
	}{
		"no config":            {without("config.json"), []string{"config.json is missing"}},
		"no weights":           {without("model.safetensors"), []string{"no weights"}},
		"no tokenizer":         {without("tokenizer.json"), []string{"tokenizer.json is missing"}},
		"config cut":           {put("config.json", `{"model_type":"llama"`), []string{"config.json", "truncated"}},
		"config NaN":           {put("config.json", `{"model_type":"llama","rms_norm_eps":NaN}`), []string{"config.json", "NaN", "not a number"}},
		"config list":          {put("config.json", `[]`), []string{"config.json", "array"}},
		"text for number":      {config("hidden_size", "eight"), []string{"config.json", "hidden_size", "string"}},
		"unknown family":       {config("model_type", "mamba9"), []string{"config.json", `"mamba9"`, supported}},
		"no family":            {config("model_type", nil), []string{"config.json", "model_type is missing", supported}},
		"missing key":          {config("vocab_size", nil), []string{"config.json", "vocab_size is missing"}},
		"negative size":        {config("hidden_size", -8), []string{"config.json", "-8"}},
		"no heads":             {config("num_attention_heads", 0), []string{"config.json", "num_attention_heads is 0"}},
		"huge layers":          {config("num_hidden_layers", 1<<40), []string{"config.json", "num_hidden_layers"}},
		"huge vocabulary":      {config("vocab_size", 1<<40), []string{"config.json", "vocab_size"}},
		"odd head":             {config("head_dim", 5), []string{"config.json", "odd"}},
		"uneven heads":         {config("num_key_value_heads", 3), []string{"config.json", "num_key_value_heads is 3"}},
		"epsilon":              {config("rms_norm_eps", -1), []string{"config.json", "rms_norm_eps is -1"}},
		"activation":           {config("hidden_act", "gelu"), []string{"config.json", `"gelu"`}},
		"rope type":            {config("rope_scaling", map[string]any{"type": "spiral"}), []string{"config.json", `"spiral"`}},
		"rope factor":          {config("rope_scaling", map[string]any{"type": "linear"}), []string{"config.json", "linear", "factor is missing"}},
		"rope theta":           {config("rope_theta", -1), []string{"config.json", "rope_theta is -1"}},
		"long factors":         {config("rope_scaling", map[string]any{"type": "longrope", "long_factor": []float64{1, 2, 3}}), []string{"long_factor has 3 values, want 2"}},
		"layer types":          {config("layer_types", []string{"full_attention", "full_attention"}), []string{"layer_types has 2 entries, want 1"}},
		"layer type":           {config("layer_types", []string{"linear_attention"}), []string{`"linear_attention"`}},
		"no window":            {config("layer_types", []string{"sliding_attention"}), []string{"sliding_window is missing"}},
		"quantisation method":  {config("quantization_config", map[string]any{"quant_method": "gptq"}), []string{"config.json", "gptq"}},
		"quantisation mode":    {config("quantization", map[string]any{"group_size": 32, "bits": 4, "mode": "mxfp4"}), []string{"config.json", "mxfp4"}},
		"quantisation bits":    {config("quantization", map[string]any{"group_size": 64, "bits": 3}), []string{"config.json", "3 bits"}},
		"weights cut":          {func(_ testing.TB, f fstest.MapFS) { f["model.safetensors"].Data = f["model.safetensors"].Data[:4000] }, []string{"model.safetensors", "truncated"}},
		"weights not there":    {put("model.safetensors", "version https://git-lfs.github.com/spec/v1\n"), []string{"model.safetensors", "header"}},
		"missing tensor":       {weights(func(s map[string][]int64) { delete(s, "model.norm.weight") }), []string{`"model.norm.weight" is missing from model.safetensors`}},
		"wrong shape":          {weights(func(s map[string][]int64) { s["model.norm.weight"] = []int64{9} }), []string{"model.safetensors", "model.norm.weight", "[9]", "[8]"}},
		"unknown tensor":       {weights(func(s map[string][]int64) { s["model.layers.0.self_attn.q_proj.bias"] = []int64{8} }), []string{"model.safetensors", "q_proj.bias", "no place"}},
		"layer too many":       {weights(func(s map[string][]int64) { s["model.layers.1.input_layernorm.weight"] = []int64{8} }), []string{"layers.1", "no place"}},
		"claims to be packed":  {config("quantization", map[string]any{"group_size": 32, "bits": 4, "lm_head": false, "model.embed_tokens": true}), []string{"embed_tokens", "multiple"}},
		"missing shard":        {put(indexName, `{"weight_map":{"model.norm.weight":"model-00002-of-00002.safetensors"}}`), []string{"model-00002-of-00002.safetensors", "missing"}},
		"index lies":           {put(indexName, `{"weight_map":{"nothing":"model.safetensors"}}`), []string{"model.safetensors", `"nothing"`, indexName}},
		"index climbs":         {put(indexName, `{"weight_map":{"a":"../../etc/passwd"}}`), []string{indexName, "passwd"}},
		"index empty":          {put(indexName, `{}`), []string{indexName, "weight_map"}},
		"tokenizer":            {put("tokenizer.json", `{}`), []string{"tokenizer.json"}},
		"template":             {put("chat_template.jinja", `{% for %}`), []string{"chat_template.jinja"}},
		"sampling":             {put("generation_config.json", `{"temperature": -3}`), []string{"generation_config.json", "temperature"}},
		"generation is a list": {put("generation_config.json", `[]`), []string{"generation_config.json"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := tinyFolder(t, tinyConfig(nil))
			c.spoil(t, f)
			_, err := ReadFolder(f, "tiny")
			require.Error(t, err)
			for _, part := range append(c.want, "model tiny") {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestDuplicateTensorAcrossShards(t *testing.T) {
	f := tinyFolder(t, tinyConfig(nil))
	f["model-2.safetensors"] = &fstest.MapFile{Data: safetensorsFile(t, map[string][]int64{"model.norm.weight": {8}}, nil)}
	_, err := ReadFolder(f, "tiny")
	require.ErrorContains(t, err, "as well")
}

func TestCarriedTensorsAreIgnored(t *testing.T) {
	f := tinyFolder(t, tinyConfig(nil))
	shapes := tinyShapes()
	shapes["lm_head.weight"] = []int64{256, 8}
	shapes["model.layers.0.self_attn.rotary_emb.inv_freq"] = []int64{2}
	f["model.safetensors"] = &fstest.MapFile{Data: safetensorsFile(t, shapes, nil)}
	folder, err := ReadFolder(f, "tiny")
	require.NoError(t, err)
	require.True(t, folder.Spec.Tied)
}

func TestHeadDecidesWhenConfigIsSilent(t *testing.T) {
	f := tinyFolder(t, tinyConfig(map[string]any{"tie_word_embeddings": nil}))
	folder, err := ReadFolder(f, "tiny")
	require.NoError(t, err)
	require.True(t, folder.Spec.Tied)

	shapes := tinyShapes()
	shapes["lm_head.weight"] = []int64{256, 8}
	f["model.safetensors"] = &fstest.MapFile{Data: safetensorsFile(t, shapes, nil)}
	folder, err = ReadFolder(f, "tiny")
	require.NoError(t, err)
	require.False(t, folder.Spec.Tied)
}

func TestDigestFollowsSmallFiles(t *testing.T) {
	f := tinyFolder(t, tinyConfig(nil))
	before, err := ReadFolder(f, "tiny")
	require.NoError(t, err)
	f["chat_template.jinja"] = &fstest.MapFile{Data: []byte("{{ bos_token }}")}
	after, err := ReadFolder(f, "tiny")
	require.NoError(t, err)
	require.NotEqual(t, before.digest, after.digest)
}

// FuzzConfig: whatever config.json holds, reading ends in an error or a spec
// that fits the tensors.
func FuzzConfig(f *testing.F) {
	for _, changes := range []map[string]any{
		nil,
		{"rope_scaling": map[string]any{"rope_type": "llama3", "factor": 8}},
		{"rope_scaling": map[string]any{"type": "yarn", "factor": 4, "original_max_position_embeddings": 32}},
		{"rope_parameters": map[string]any{"rope_type": "longrope", "long_factor": []int{1, 2}, "original_max_position_embeddings": 32}},
		{"rope_scaling": map[string]any{"type": "dynamic", "factor": 2}, "sliding_window": 4, "layer_types": []string{"sliding_attention"}},
		{"model_type": "smollm3", "no_rope_layers": []int{0}},
		{"quantization": map[string]any{"group_size": 64, "bits": 4, "lm_head": false}},
	} {
		raw, err := json.Marshal(tinyConfig(changes))
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Add([]byte(`{"model_type":"llama","rms_norm_eps":Infinity}`))
	base := tinyFolder(f, tinyConfig(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		folder, err := ReadFolder(fstest.MapFS{
			"config.json": {Data: data}, "model.safetensors": base["model.safetensors"], "tokenizer.json": base["tokenizer.json"],
		}, "fuzzed")
		if err == nil {
			require.NoError(t, folder.Spec.validate())
			for _, x := range folder.tensors() {
				require.NotEmpty(t, x.Name)
			}
		}
	})
}

func TestReadsEveryParityFolder(t *testing.T) {
	folders, err := os.ReadDir("testdata/parity")
	require.NoError(t, err)
	for _, d := range folders {
		if !d.IsDir() {
			continue
		}
		folder, err := ReadFolder(os.DirFS("testdata/parity/"+d.Name()), d.Name())
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(d.Name(), "smollm2") || strings.HasPrefix(d.Name(), folder.Spec.Family), d.Name())
		require.Equal(t, []int32{2, 3}, folder.Model.StopIDs)
		require.InDelta(t, 0.6, folder.Model.Defaults.Temperature, 0)
	}
}
