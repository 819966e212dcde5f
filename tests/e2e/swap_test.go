package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/mlx/starter"
	"troupe/tests/troupetest"
)

const swapKey = "swap-key"

// twins makes a folder with a model like the starter, whose caches are not the starter's, and with broken ones.
func twins(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"twin", "cut", "teapot"} {
		require.NoError(t, os.CopyFS(filepath.Join(root, name), starter.FS()))
	}
	config := filepath.Join(root, "twin", "config.json")
	text, err := os.ReadFile(config)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(config, append(text, '\n'), 0o600)) // enough for another tag
	weights := filepath.Join(root, "cut", "model.safetensors")
	info, err := os.Stat(weights)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(weights, info.Size()/2))
	require.NoError(t, os.WriteFile(filepath.Join(root, "teapot", "config.json"), []byte(`{"model_type":"teapot"}`), 0o600))
	return root
}

// admin calls an admin route.
func admin(s *troupetest.Server, method, path, body string) (status int, text string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.URL+path, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("X-Admin-Key", swapKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func mustSwap(t *testing.T, s *troupetest.Server, body string) {
	t.Helper()
	status, text, err := admin(s, http.MethodPost, "/admin/models/swap", body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, text)
	t.Log(text)
}

// TestSwapUnderEightStreams replaces the model in the middle of eight answers, with and without memory for both. Everybody is told, and goes on from what
// was computed when the model is back.
func TestSwapUnderEightStreams(t *testing.T) {
	const n = 8
	for name, memory := range map[string]string{"beside": "2GiB", "one at a time": "256MiB"} {
		t.Run(name, func(t *testing.T) {
			s := troupetest.Start(t, "--models", twins(t), "--admin-key", swapKey, "--memory-limit", memory, "--kv-memory", "128MiB")
			request := func(i int) troupetest.Request {
				return troupetest.Request{Messages: troupetest.User(fmt.Sprintf("Tell number %d a long story.", i)), MaxTokens: 8000, IgnoreEOS: true, Stream: true}
			}
			var streams []*troupetest.Stream
			for i := range n {
				stream, err := troupetest.Open(t.Context(), s.URL, fmt.Sprintf("agent-%d", i), request(i))
				require.NoError(t, err)
				t.Cleanup(stream.Close)
				require.NoError(t, stream.Until(""))
				streams = append(streams, stream)
			}
			mustSwap(t, s, `{"model":"twin","drain":0.05}`)
			for i, stream := range streams {
				answer, _ := stream.Rest()
				require.Contains(t, answer.Refusal, "this answer was stopped", "stream %d", i)
			}
			require.Equal(t, n, savedAgents(t, s.Data))
			cold := request(0)
			cold.MaxTokens, cold.Stream = 1, false
			require.Zero(t, troupetest.MustChat(t, s.URL, "agent-0", cold).Usage.Details.Cached)

			mustSwap(t, s, `{"model":"starter"}`)
			for i := range n {
				r := request(i)
				r.MaxTokens, r.Stream = 1, false
				a := troupetest.MustChat(t, s.URL, fmt.Sprintf("agent-%d", i), r)
				require.Equal(t, a.Usage.Prompt-1, a.Usage.Details.Cached, "agent %d: all but the token that must be computed", i)
			}
			s.Stop()
		})
	}
}

// TestAFailedSwapLeavesTheOldModel tries what cannot be served.
func TestAFailedSwapLeavesTheOldModel(t *testing.T) {
	s := troupetest.Start(t, "--models", twins(t), "--admin-key", swapKey)
	r := troupetest.Request{Messages: troupetest.User("The code word is ZEBRA-42.")}
	told := troupetest.MustChat(t, s.URL, "ada", r)
	for model, want := range map[string]int{"nothing": 404, "../twin": 404, "teapot": 400, "cut": 400} {
		status, text, err := admin(s, http.MethodPost, "/admin/models/swap", fmt.Sprintf(`{"model":%q}`, model))
		require.NoError(t, err)
		require.Equal(t, want, status, text)
		require.Contains(t, text, "starter is served as before")
		a := troupetest.MustChat(t, s.URL, "ada", r)
		require.Equal(t, told.Text, a.Text)
		require.Equal(t, a.Usage.Prompt-1, a.Usage.Details.Cached)
	}
	s.Stop()
}

// TestKillNineInASwap kills the server at several moments of a swap. What was saved is there, whichever model the next one serves first.
func TestKillNineInASwap(t *testing.T) {
	flags := []string{"--models", twins(t), "--admin-key", swapKey, "--idle-save", "50ms", "--memory-limit", "256MiB", "--kv-memory", "128MiB"}
	s := troupetest.Start(t, flags...)
	r := troupetest.Request{Messages: troupetest.User("The code word is ZEBRA-42.")}
	troupetest.MustChat(t, s.URL, "ada", r)
	require.Eventually(t, func() bool { return savedAgents(t, s.Data) == 1 }, time.Minute, 10*time.Millisecond)
	for _, after := range []time.Duration{0, 5 * time.Millisecond, 20 * time.Millisecond, 60 * time.Millisecond} {
		swapped := make(chan struct{})
		go func() {
			defer close(swapped)
			_, _, _ = admin(s, http.MethodPost, "/admin/models/swap", `{"model":"twin"}`) // it may not live to answer
		}()
		time.Sleep(after)
		s.Kill()
		<-swapped
		s = s.Again(flags...)
		a := troupetest.MustChat(t, s.URL, "ada", r)
		require.Equal(t, a.Usage.Prompt-1, a.Usage.Details.Cached, "after %s", after)
	}
	_, text, err := admin(s, http.MethodGet, "/admin/models", "")
	require.NoError(t, err)
	var models struct{ State string }
	require.NoError(t, json.Unmarshal([]byte(text), &models))
	require.Equal(t, "ready", models.State)
	s.Stop()
}
