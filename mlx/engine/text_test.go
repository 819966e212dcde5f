package engine

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

func TestStopsAndDefaults(t *testing.T) {
	cases := map[string]struct {
		config                map[string]any
		generation, tokenizer string
		stops                 []int32
		defaults              runtime.Sampling
	}{
		"nothing said": {nil, "", "", []int32{}, runtime.Sampling{Temperature: 1, TopP: 1, RepetitionPenalty: 1}},
		"config only":  {map[string]any{"eos_token_id": 7}, "", "", []int32{7}, runtime.Sampling{Temperature: 1, TopP: 1, RepetitionPenalty: 1}},
		"generation wins, tokenizer adds": {
			map[string]any{"eos_token_id": 7},
			`{"eos_token_id": [9, 5, 9, 999], "do_sample": false, "temperature": 0.7}`,
			`{"eos_token": {"content": "!", "lstrip": false}, "bos_token": null}`,
			[]int32{0, 5, 9}, runtime.Sampling{RepetitionPenalty: 1},
		},
		"sampling": {
			map[string]any{"eos_token_id": nil},
			`{"do_sample": true, "temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.1, "min_p": 0.05}`,
			`{"eos_token": null}`, []int32{},
			runtime.Sampling{Temperature: 0.7, TopP: 0.8, TopK: 20, MinP: 0.05, RepetitionPenalty: 1.1},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := tinyFolder(t, tinyConfig(c.config))
			if c.generation != "" {
				f["generation_config.json"] = &fstest.MapFile{Data: []byte(c.generation)}
			}
			if c.tokenizer != "" {
				f["tokenizer_config.json"] = &fstest.MapFile{Data: []byte(c.tokenizer)}
			}
			folder, err := ReadFolder(f, "tiny")
			require.NoError(t, err)
			require.Equal(t, c.stops, folder.Model.StopIDs)
			require.Equal(t, c.defaults, folder.Model.Defaults)
		})
	}
}

func TestTemplates(t *testing.T) {
	read := func(files map[string]string) string {
		f := tinyFolder(t, tinyConfig(nil))
		for name, text := range files {
			f[name] = &fstest.MapFile{Data: []byte(text)}
		}
		folder, err := ReadFolder(f, "tiny")
		require.NoError(t, err)
		require.NotNil(t, folder.Model.Template)
		return renderNothing(t, folder.Model)
	}
	require.Equal(t, "one", read(map[string]string{"tokenizer_config.json": `{"chat_template": "one"}`}))
	require.Equal(t, "two", read(map[string]string{"tokenizer_config.json": `{"chat_template": [{"name": "tool_use", "template": "one"}, {"name": "default", "template": "two"}]}`}))
	require.Equal(t, "file", read(map[string]string{"tokenizer_config.json": `{"chat_template": "one"}`, "chat_template.jinja": "file"}))
}
