package smoke

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// get asks for a path and returns the body, which must come with a status.
func get(t *testing.T, url string, status int) map[string]any {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	return body(t, resp, status)
}

func post(t *testing.T, url, request string, status int) map[string]any {
	t.Helper()
	resp, err := troupetest.Post(t.Context(), url, "", bytes.NewBufferString(request))
	require.NoError(t, err)
	return body(t, resp, status)
}

func body(t *testing.T, resp *http.Response, status int) (v map[string]any) {
	t.Helper()
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, status, resp.StatusCode, "%s", text)
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
	require.NoError(t, json.Unmarshal(text, &v), "%s", text)
	return v
}

func TestServerStarts(t *testing.T) {
	s := troupetest.Launch(t)
	require.Equal(t, "ok", get(t, s.URL+"/health/live", http.StatusOK)["status"], "alive before the model is there")
	s.WaitFor("ready")
	require.Equal(t, "ok", get(t, s.URL+"/health/live", http.StatusOK)["status"])
	s.Stop()
}

func TestHealthAnswers(t *testing.T) {
	s := troupetest.Start(t)
	for _, path := range []string{"/health", "/health/live", "/health/ready"} {
		require.Equal(t, "ok", get(t, s.URL+path, http.StatusOK)["status"], path)
	}
}

func TestModelLoads(t *testing.T) {
	s := troupetest.Start(t)
	loaded := s.WaitFor("loaded")
	require.Equal(t, "starter", loaded["model"])
	require.GreaterOrEqual(t, loaded["context"], 8192.0)
	require.Greater(t, loaded["blocks"], 0.0)
	list := get(t, s.URL+"/v1/models", http.StatusOK)["data"].([]any)
	require.Len(t, list, 1)
	require.Equal(t, "starter", list[0].(map[string]any)["id"])
}

func TestOneRequestCompletes(t *testing.T) {
	s := troupetest.Start(t)
	const question = `{"model":"starter","max_tokens":32,"temperature":0,"messages":[{"role":"user","content":"Hello! Who are you?"}]}`

	answer := post(t, s.URL+troupetest.OpenAI, question, http.StatusOK)
	choice := answer["choices"].([]any)[0].(map[string]any)
	text := choice["message"].(map[string]any)["content"].(string)
	require.NotEmpty(t, text)
	require.Contains(t, []any{"stop", "length"}, choice["finish_reason"])

	answer = post(t, s.URL+troupetest.Anthropic, question, http.StatusOK)
	require.Equal(t, text, answer["content"].([]any)[0].(map[string]any)["text"], "both dialects ask one model")
	require.Contains(t, []any{"end_turn", "max_tokens"}, answer["stop_reason"])
}

// TestResponseFormat has the official clients of both dialects ask in both modes; clients.py says what is checked.
func TestResponseFormat(t *testing.T) {
	s := troupetest.Start(t)
	require.Regexp(t, `^ok \d\d+\n$`, command(t, python(t), "clients.py", s.URL, "starter"))
}

func TestDataFolderIsCreated(t *testing.T) {
	data := filepath.Join(t.TempDir(), "a", "b")
	s := troupetest.Start(t, "--data", data)
	info, err := os.Stat(data)
	require.NoError(t, err)
	require.True(t, info.IsDir())
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	s.Stop()
}

func TestGracefulShutdown(t *testing.T) {
	s := troupetest.Start(t, "--drain", "60s")
	const tokens = 1000
	stream, err := troupetest.Open(t.Context(), s.URL, "ada", troupetest.Request{
		Messages: troupetest.User("Hello!"), MaxTokens: tokens, IgnoreEOS: true, Stream: true,
	})
	require.NoError(t, err)
	defer stream.Close()
	require.NoError(t, stream.Until(""), "the answer has begun")

	s.Signal(syscall.SIGTERM)
	s.WaitFor("draining")
	// While the stream runs nothing new is admitted: the listener is closed, or the request is refused.
	if late, err := troupetest.Chat(t.Context(), s.URL, "bob", troupetest.Request{Messages: troupetest.User("Hello!")}); err == nil {
		require.Equal(t, http.StatusServiceUnavailable, late.Status, late.Body)
		require.NotEmpty(t, late.Header.Get("Retry-After"))
	}

	answer, err := stream.Rest()
	require.NoError(t, err, "the stream ends with [DONE]")
	require.Equal(t, "length", answer.Finish)
	require.Equal(t, tokens, answer.Usage.Completion)
	require.Equal(t, 0, s.Wait(), "exit status")
	require.NotContains(t, s.Log(), "cut off")
	_, err = http.Get(s.URL + "/health/live")
	require.Error(t, err, "nobody listens any more")
}
