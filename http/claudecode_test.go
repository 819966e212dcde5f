package http

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// fixture reads a request in the shape that Claude Code sends. The text in testdata/claude-code is our own.
func fixture(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}

// TestClaudeCode serves every fixture, but for the one with an image, and checks the answer to that.
func TestClaudeCode(t *testing.T) {
	h, d := direct(t, Config{})
	files, err := filepath.Glob("testdata/claude-code/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body := fixture(t, file)
			if strings.Contains(file, "refused") {
				a := h.post(t, "/v1/messages?beta=true", body)
				requireError(t, "anthropic", a, http.StatusBadRequest, "messages.2.content.0.image: this model does not support image input", "")
				return
			}
			_, prompt := ask(t, h, d, "/v1/messages?beta=true", body)
			require.NotContains(t, prompt, "billing")
			require.NotContains(t, prompt, "ephemeral")
		})
	}
}

// TestPrefixSurvives checks that each turn's prompt begins with the one before it, though the client moves its cache marks, turns a list of one block
// into a string, changes the billing line and loads a tool: else the cache would be lost at every turn.
func TestPrefixSurvives(t *testing.T) {
	h, d := direct(t, Config{})
	var last string
	for _, name := range []string{"turn1", "turn2", "turn3-toolsearch"} {
		_, prompt := ask(t, h, d, "/v1/messages", fixture(t, "testdata/claude-code/"+name+".json"))
		history := strings.TrimSuffix(prompt, "<|im_start|>assistant\n")
		require.True(t, strings.HasPrefix(history, last), "%s does not begin with the turn before it:\n%s\n%s", name, last, history)
		last = history
	}
	require.Contains(t, last, `<functions><function>{"description":"Does what WebFetch says.","name":"WebFetch"`)
}

// TestRecordings serves real recordings, where this machine has some; they are not ours to keep in the repository.
func TestRecordings(t *testing.T) {
	dir := os.Getenv("TROUPE_RECORDINGS")
	if dir == "" {
		t.Skip("TROUPE_RECORDINGS names no folder of recordings")
	}
	files, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	h, d := direct(t, Config{})
	m := *h.service.Load().model
	m.Context = 1 << 20
	h.attach(&service{model: &m, generate: d.generate})
	for _, file := range files {
		var record struct {
			Method, Path string
			Body         json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(fixture(t, file)), &record))
		if record.Method != http.MethodPost {
			continue
		}
		if strings.Contains(record.Path, "count_tokens") {
			require.Equal(t, http.StatusOK, h.post(t, record.Path, string(record.Body)).status, file)
			continue
		}
		d.stage(ended(runtime.FinishStop), hello...)
		a := h.post(t, record.Path, string(record.Body))
		if strings.Contains(string(record.Body), `"image"`) && a.status == http.StatusBadRequest {
			require.Contains(t, a.body, "this model does not support image input", file)
			continue
		}
		require.Equal(t, http.StatusOK, a.status, "%s: %s", file, a.body)
	}
}
