package http

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// fuzzRequests checks what must hold of a decoder for any bytes: it returns a call that can be rendered and served, or an Invalid error that can be
// shown to a client.
func fuzzRequests(f *testing.F, d dialect) {
	files, err := filepath.Glob("testdata/claude-code/*.json")
	require.NoError(f, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(b)
	}
	for _, fields := range []string{
		"", `,"temperature":1e999`, `,"stop":["a"],"stop_sequences":["a"]`, `,"stream":true,"stream_options":{"include_usage":true}`, `,"x":"\ud83d\ude00"`,
		`,"tools":[{"type":"function","function":{"name":"a","parameters":{}}}]`, `,"tools":[{"name":"a","input_schema":{}}]`, `,"logit_bias":{"1":2}`,
		`,"metadata":{"user_id":"{}"},"session_id":"s"`, `,"chat_template_kwargs":{"a":[1.0,null]}`, `,"tool_choice":"none"`, `,"max_tokens":1e3`,
		`,"messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"c","content":"x"}]`,
		`,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"x"}]}]`,
	} {
		f.Add([]byte(anthropicBody(fields)))
		f.Add([]byte(openaiBody(fields)))
	}
	m := newModel(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		in, err := d.parse(body)
		if err == nil {
			require.NotEmpty(t, in.chat.messages)
			require.GreaterOrEqual(t, in.maxTokens, 0)
			require.LessOrEqual(t, len(in.stops), runtime.MaxStops)
			_, err = (&service{model: m}).request(t.Context(), in)
		}
		if err != nil {
			var known *runtime.Error
			require.ErrorAs(t, err, &known)
			require.Equal(t, runtime.Invalid, known.Kind)
			require.NotEmpty(t, known.Message)
			require.True(t, utf8.ValidString(known.Message), "%q", known.Message)
			require.False(t, errors.Is(err, errClientGone))
		}
	})
}

func FuzzAnthropicRequest(f *testing.F) { fuzzRequests(f, anthropic{}) }

func FuzzOpenAIRequest(f *testing.F) { fuzzRequests(f, openai{}) }
