package chat

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestContinueRefusals(t *testing.T) {
	user := []Message{{Role: "user", Content: "Hi"}}
	for name, c := range map[string]struct {
		source string
		in     Input
	}{
		"no messages":          {chatML, Input{ContinueFinal: true}},
		"with a prompt":        {chatML, Input{ContinueFinal: true, AddGenerationPrompt: true, Messages: user}},
		"template drops it":    {"{{ messages[0].role }} content", Input{ContinueFinal: true, Messages: user}},
		"template changes it":  {"{{ messages[0].content|upper }}", Input{ContinueFinal: true, Messages: user}},
		"template without it":  {"x", Input{ContinueFinal: true, Messages: user}},
		"parts without a text": {chatML, Input{ContinueFinal: true, Messages: []Message{{Role: "user", Parts: []Value{NewMap().Set("type", String("image")).Value()}}}}},
		"part that is no map":  {chatML, Input{ContinueFinal: true, Messages: []Message{{Role: "user", Parts: []Value{Int(1)}}}}},
	} {
		t.Run(name, func(t *testing.T) {
			tmpl, err := Parse(c.source)
			require.NoError(t, err)
			_, err = tmpl.Render(context.Background(), c.in)
			require.ErrorIs(t, err, ErrContinue)
		})
	}
}

// Marking the end of the message must not show in the caller's values.
func TestContinueLeavesInputAlone(t *testing.T) {
	part := NewMap().Set("type", String("text")).Set("text", String("One")).Value()
	in := Input{ContinueFinal: true, Messages: []Message{{Role: "assistant", Parts: []Value{part}}}}
	source := "{% for m in messages %}{{ m.content[0].text }}<end>{% endfor %}"
	require.Equal(t, "One", render(t, source, in))
	require.Equal(t, "One", render(t, source, in))
	text, _ := part.Get("text")
	require.Equal(t, String("One"), text)
}

func TestVariables(t *testing.T) {
	in := Input{
		Messages: []Message{{Role: "user", Content: "Hi"}},
		BOS:      "<s>",
		Extra:    map[string]Value{"mood": String("good"), "messages": Null(), "documents": List(Int(1))},
	}
	source := "{{ bos_token }}|{{ eos_token is defined }}|{{ mood }}|{{ messages|length }}|{{ tools is none }}|{{ documents }}|{{ add_generation_prompt }}"
	require.Equal(t, "<s>|False|good|1|True|[1]|False", render(t, source, in))
	require.Equal(t, "True", render(t, "{{ documents is none }}", Input{}))
}

func TestMessageFields(t *testing.T) {
	in := Input{Messages: []Message{{
		Role: "assistant", Reasoning: "hm",
		ToolCalls: []ToolCall{{Name: "f", Arguments: NewMap().Set("b", Int(1)).Set("a", Float(2)).Value()}},
	}}}
	require.Equal(t, `hm hm hm [{"type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": 2.0}}}] False`,
		render(t, "{% set m = messages[0] %}{{ m.reasoning_content }} {{ m.thinking }} {{ m.reasoning }} {{ m.tool_calls|tojson }} {{ m.tool_call_id is defined }}", in))
}

func TestErrorsNameTheLine(t *testing.T) {
	_, err := Parse("a\n{% if %}")
	require.ErrorIs(t, err, ErrSyntax)
	require.ErrorContains(t, err, "line 2")
	tmpl, err := Parse("a\n\n{{ x.y }}")
	require.NoError(t, err)
	_, err = tmpl.Render(context.Background(), Input{})
	require.ErrorIs(t, err, ErrRuntime)
	require.ErrorContains(t, err, "line 3")
	require.ErrorContains(t, err, "'x' is undefined")
	_, err = tmpl.WithLimits(Limits{Steps: 1}).Render(context.Background(), Input{})
	require.ErrorIs(t, err, ErrLimit)
	require.Equal(t, "a\n\n{{ x.y }}", tmpl.Source())
}
