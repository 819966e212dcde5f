package chat

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// goldenNow is the time at which gen.py let strftime_now stand.
var goldenNow = time.Date(2026, 3, 7, 4, 5, 6, 789012000, time.UTC)

// conversation is an entry of testdata/conversations.json.
type conversation struct {
	Name                string           `json:"name"`
	Messages            []wireMessage    `json:"messages"`
	Tools               []Value          `json:"tools"`
	AddGenerationPrompt bool             `json:"add_generation_prompt"`
	ContinueFinal       bool             `json:"continue_final_message"`
	Extra               map[string]Value `json:"extra"`
}

type wireMessage struct {
	Role       string `json:"role"`
	Content    Value  `json:"content"`
	Name       string `json:"name"`
	ToolCallID string `json:"tool_call_id"`
	Reasoning  string `json:"reasoning_content"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments Value  `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

// golden is what gen.py got from jinja2; it has one of the fields.
type golden struct{ Output, Raised, Fails *string }

func (c conversation) input() Input {
	in := Input{
		Tools:               c.Tools,
		AddGenerationPrompt: c.AddGenerationPrompt,
		ContinueFinal:       c.ContinueFinal,
		BOS:                 "<s>",
		EOS:                 "</s>",
		Extra:               c.Extra,
		Now:                 goldenNow,
	}
	for _, w := range c.Messages {
		m := Message{Role: w.Role, Name: w.Name, ToolCallID: w.ToolCallID, Reasoning: w.Reasoning, Parts: w.Content.Items()}
		m.Content, _ = w.Content.AsString()
		for _, call := range w.ToolCalls {
			m.ToolCalls = append(m.ToolCalls, ToolCall{ID: call.ID, Name: call.Function.Name, Arguments: call.Function.Arguments})
		}
		in.Messages = append(in.Messages, m)
	}
	return in
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, v))
}

func readTemplate(t testing.TB, name string) *Template {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "templates", name+".jinja"))
	require.NoError(t, err)
	tmpl, err := Parse(string(source))
	require.NoError(t, err)
	return tmpl
}

// Every template in the style of a model family, with every conversation, must
// give what jinja2 and transformers give.
func TestConversationGoldens(t *testing.T) {
	var conversations []conversation
	readJSON(t, "testdata/conversations.json", &conversations)
	var goldens map[string]map[string]golden
	readJSON(t, "testdata/goldens.json", &goldens)
	require.GreaterOrEqual(t, len(goldens), 9)
	for name, byConversation := range goldens {
		tmpl := readTemplate(t, name)
		require.Len(t, byConversation, len(conversations))
		for _, c := range conversations {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				want := byConversation[c.Name]
				got, err := tmpl.Render(context.Background(), c.input())
				switch {
				case want.Output != nil:
					require.NoError(t, err)
					require.Equal(t, *want.Output, got)
				case want.Raised != nil:
					var e *Error
					require.True(t, errors.As(err, &e), "%v", err)
					require.ErrorIs(t, err, ErrRaised)
					require.Equal(t, *want.Raised, e.Message)
				default:
					require.Error(t, err, "jinja2 fails with %s, got %q", *want.Fails, got)
					require.NotErrorIs(t, err, ErrRaised)
				}
			})
		}
	}
}

// A prompt must not depend on what was rendered before or at the same time.
func TestTemplateIsReusable(t *testing.T) {
	tmpl := readTemplate(t, "qwen3")
	in := Input{Messages: []Message{{Role: "user", Content: strings.Repeat("a", 100)}}, AddGenerationPrompt: true}
	want, err := tmpl.Render(context.Background(), in)
	require.NoError(t, err)
	results := make(chan string)
	for range 8 {
		go func() {
			got, err := tmpl.Render(context.Background(), in)
			if err != nil {
				got = err.Error()
			}
			results <- got
		}()
	}
	for range 8 {
		require.Equal(t, want, <-results)
	}
}
