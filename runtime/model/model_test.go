package model_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
	"troupe/runtime/chat"
	"troupe/runtime/model"
	"troupe/runtime/tokenizer"
)

const template = `{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system prompts here') }}{% endif %}` +
	`{{ m.content + eos_token }}{% endfor %}`

// words is a tokenizer whose post-processor adds a BOS of its own.
const words = `{"added_tokens": [
  {"id": 2, "content": "<s>", "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false},
  {"id": 3, "content": "</s>", "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false}],
  "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [2], "tokens": ["<s>"]}}},
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}}`

func newModel(t *testing.T) *model.Model {
	t.Helper()
	tok, err := tokenizer.Parse([]byte(words))
	require.NoError(t, err)
	tmpl, err := chat.Parse(template)
	require.NoError(t, err)
	return &model.Model{ID: "m", Tokenizer: tok, Template: tmpl, BOS: "<s>", EOS: "</s>", StopIDs: []int32{1, 3}}
}

func conversation(role, text string) chat.Input {
	return chat.Input{Messages: []chat.Message{{Role: role, Content: text}}}
}

func TestPromptHasTheTemplatesBOSOnly(t *testing.T) {
	ids, err := newModel(t).Prompt(context.Background(), conversation("user", "ab"))
	require.NoError(t, err)
	require.Equal(t, []int32{2, 0, 1, 3}, ids)
}

func TestRefusalOfTheTemplateReachesTheClient(t *testing.T) {
	_, err := newModel(t).Prompt(context.Background(), conversation("system", "ab"))
	require.Equal(t, runtime.Invalid, runtime.KindOf(err))
	require.ErrorContains(t, err, "no system prompts here")
}

func TestModelWithoutTemplateTakesNoMessages(t *testing.T) {
	m := newModel(t)
	m.Template = nil
	_, err := m.Render(context.Background(), conversation("user", "ab"))
	require.Equal(t, runtime.Invalid, runtime.KindOf(err))
	require.ErrorContains(t, err, "model m has no chat template")
}

func TestStops(t *testing.T) {
	m := newModel(t)
	for id, want := range map[int32]bool{0: false, 1: true, 2: false, 3: true, 4: false} {
		require.Equal(t, want, m.Stops(id), "token %d", id)
	}
}
