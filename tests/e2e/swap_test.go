package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/mlx/starter"
	"troupe/tests/troupetest"
)

const swapKey = "swap-key"

// twins makes a folder with a model like the starter, whose caches are not the starter's, and with some that cannot be served: teapot is of no known kind,
// cut lacks half of its weights, mad has weights that are no numbers, and big is far larger.
func twins(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range []string{"twin", "cut", "teapot", "mad", "big"} {
		require.NoError(t, os.CopyFS(filepath.Join(root, name), starter.FS()))
	}
	change := func(model, file string, f func(old []byte) []byte) {
		path := filepath.Join(root, model, file)
		old, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, f(old), 0o600))
	}
	const weights, config = "model.safetensors", "config.json"
	change("twin", config, func(old []byte) []byte { return append(old, '\n') }) // enough for another tag
	change("teapot", config, func([]byte) []byte { return []byte(`{"model_type":"teapot"}`) })
	change("cut", weights, func(old []byte) []byte { return old[:len(old)/2] })
	change("mad", weights, func(old []byte) []byte {
		header := 8 + binary.LittleEndian.Uint64(old)
		return append(old[:header:header], bytes.Repeat([]byte{0xff}, len(old)-int(header))...)
	})

	const vocab, width = 1 << 20, 256 // words of big, and bytes of each / 2
	change("big", config, func(old []byte) []byte {
		return bytes.Replace(old, []byte(`"vocab_size": 2048`), fmt.Appendf(nil, `"vocab_size": %d`, vocab), 1)
	})
	var size int64
	change("big", weights, func(old []byte) []byte {
		type tensor struct {
			Dtype   string   `json:"dtype"`
			Shape   []int64  `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(old[8:8+binary.LittleEndian.Uint64(old)], &all))
		delete(all, "__metadata__")
		for name, raw := range all {
			var x tensor
			require.NoError(t, json.Unmarshal(raw, &x))
			more := int64(vocab-2048) * width * 2
			x.Offsets[1] += more
			if name == "model.embed_tokens.weight" { // the first
				x.Shape[0] = vocab
			} else {
				x.Offsets[0] += more
			}
			size = max(size, x.Offsets[1])
			var err error
			all[name], err = json.Marshal(x)
			require.NoError(t, err)
		}
		header, err := json.Marshal(all)
		require.NoError(t, err)
		size += 8 + int64(len(header))
		return append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	})
	require.NoError(t, os.Truncate(filepath.Join(root, "big", weights), size)) // a hole
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

// served asks which model is served.
func served(t *testing.T, s *troupetest.Server) string {
	t.Helper()
	var models struct{ Data []struct{ ID string } }
	require.NoError(t, json.Unmarshal(call(t, http.MethodGet, s.URL+"/v1/models", nil, http.StatusOK), &models))
	require.Len(t, models.Data, 1)
	return models.Data[0].ID
}

// memories are limits with which two models fit, and do not.
var memories = map[string][]string{
	"beside":        {"--memory-limit", "400MiB", "--kv-memory", "128MiB"},
	"one at a time": {"--memory-limit", "256MiB", "--kv-memory", "128MiB"},
}

// longStory is a request for an answer that does not end while a test looks at it.
func longStory(i int) troupetest.Request {
	return troupetest.Request{Messages: troupetest.User(fmt.Sprintf("Tell number %d a long story.", i)), MaxTokens: 8000, IgnoreEOS: true, Stream: true}
}

// TestSwapUnderEightStreams replaces the model in the middle of eight answers, half of them in each dialect. Everybody is told, and goes on from what was
// computed when the model is back.
func TestSwapUnderEightStreams(t *testing.T) {
	const n = 8
	for name, memory := range memories {
		t.Run(name, func(t *testing.T) {
			s := troupetest.Start(t, append(memory, "--models", twins(t), "--admin-key", swapKey)...)
			streams := map[int]*troupetest.Stream{}
			events := map[int]chan string{}
			for i := range n {
				r, id := longStory(i), fmt.Sprintf("agent-%d", i)
				if i%2 == 1 {
					events[i] = anthropicEvents(t, s.URL, id, r)
					continue
				}
				stream, err := troupetest.Open(t.Context(), s.URL, id, r)
				require.NoError(t, err)
				t.Cleanup(stream.Close)
				require.NoError(t, stream.Until(""))
				streams[i] = stream
			}
			mustSwap(t, s, `{"model":"twin","drain":0.05}`)
			const told = "this answer was stopped"
			for i, stream := range streams {
				answer, _ := stream.Rest() // an answer that is not whole has no [DONE]
				require.Contains(t, answer.Refusal, told, "stream %d", i)
				require.Empty(t, answer.Finish)
			}
			for i, all := range events {
				text := <-all
				require.Regexp(t, `(?s)event: error\ndata: [^\n]*`+told+`[^\n]*\n+$`, text, "stream %d", i)
				require.NotContains(t, text, "message_stop")
			}
			require.Equal(t, n, savedAgents(t, s.Data))
			require.Equal(t, "twin", served(t, s))
			once := func(i int) troupetest.Answer {
				r := longStory(i)
				r.MaxTokens, r.Stream = 1, false
				return troupetest.MustChat(t, s.URL, fmt.Sprintf("agent-%d", i), r)
			}
			require.Zero(t, once(0).Usage.Details.Cached, "the other model knows nothing")

			mustSwap(t, s, `{"model":"starter"}`)
			require.Equal(t, "starter", served(t, s))
			for i := range n {
				a := once(i)
				require.Equal(t, a.Usage.Prompt-1, a.Usage.Details.Cached, "agent %d: all but the token that must be computed", i)
			}
			s.Stop()
		})
	}
}

// anthropicEvents begins an answer of the Anthropic dialect and returns when it has text. All of it comes when it has ended.
func anthropicEvents(t *testing.T, url, agent string, r troupetest.Request) chan string {
	t.Helper()
	body, err := json.Marshal(r)
	require.NoError(t, err)
	resp, err := troupetest.Post(t.Context(), url+troupetest.Anthropic, agent, bytes.NewReader(body))
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	require.Equal(t, http.StatusOK, resp.StatusCode)
	begin := make([]byte, 0, 4096)
	for !bytes.Contains(begin, []byte("content_block_delta")) {
		part := make([]byte, 512)
		got, err := resp.Body.Read(part)
		require.NoError(t, err, "%s", begin)
		begin = append(begin, part[:got]...)
	}
	all := make(chan string, 1)
	go func() {
		rest, _ := io.ReadAll(resp.Body) // what came says how it ended
		all <- string(begin) + string(rest)
	}()
	return all
}

// TestASwapLetsAnswersFinish swaps with time for what runs: it comes to its end, and who came meanwhile waits and is answered by the new model.
func TestASwapLetsAnswersFinish(t *testing.T) {
	const n = 4
	s := troupetest.Start(t, "--models", twins(t), "--admin-key", swapKey)
	var all sync.WaitGroup
	var answers [2 * n]troupetest.Answer
	var errs [2 * n]error
	for i := range n {
		r := longStory(i)
		r.MaxTokens = 300
		stream, err := troupetest.Open(t.Context(), s.URL, fmt.Sprintf("agent-%d", i), r)
		require.NoError(t, err)
		t.Cleanup(stream.Close)
		require.NoError(t, stream.Until(""))
		all.Go(func() { answers[i], errs[i] = stream.Rest() })
	}
	var status int
	var text string
	var err error
	all.Go(func() {
		status, text, err = admin(s, http.MethodPost, "/admin/models/swap", `{"model":"twin","drain":50,"queue":true}`)
	})
	for i := n; i < 2*n; i++ {
		all.Go(func() {
			answers[i], errs[i] = troupetest.Chat(t.Context(), s.URL, fmt.Sprintf("agent-%d", i), troupetest.Request{Messages: troupetest.User("Hello?")})
		})
	}
	all.Wait()
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, text)
	t.Log(text)
	for i, a := range answers {
		require.NoError(t, errs[i], "answer %d", i)
		require.Equal(t, http.StatusOK, a.Status, "answer %d: %s", i, a.Body)
		require.Empty(t, a.Refusal, "answer %d", i)
		require.NotEmpty(t, a.Finish, "answer %d", i)
	}
	require.Equal(t, "twin", served(t, s))
	s.Stop()
}

// TestOneSwapAtATime asks for a second swap while one waits for an answer to end, and cancels that one. The answer goes on.
func TestOneSwapAtATime(t *testing.T) {
	s := troupetest.Start(t, "--models", twins(t), "--admin-key", swapKey)
	stream, err := troupetest.Open(t.Context(), s.URL, "ada", longStory(0))
	require.NoError(t, err)
	t.Cleanup(stream.Close)
	require.NoError(t, stream.Until(""))
	type result struct {
		status int
		text   string
		err    error
	}
	first := make(chan result, 1)
	go func() {
		var r result
		r.status, r.text, r.err = admin(s, http.MethodPost, "/admin/models/swap", `{"model":"twin","drain":3600}`)
		first <- r
	}()
	require.Eventually(t, func() bool {
		_, text, err := admin(s, http.MethodGet, "/admin/models", "")
		return err == nil && strings.Contains(text, `"phase":"draining"`)
	}, time.Minute, 10*time.Millisecond)

	status, text, err := admin(s, http.MethodPost, "/admin/models/swap", `{"model":"twin"}`)
	require.NoError(t, err)
	require.Equal(t, http.StatusConflict, status, text)
	require.Contains(t, text, "a swap to twin runs already")
	refused, err := troupetest.Chat(t.Context(), s.URL, "bob", troupetest.Request{Messages: troupetest.User("Hello?")})
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, refused.Status)
	require.NotEmpty(t, refused.Header.Get("Retry-After"))

	status, text, err = admin(s, http.MethodDelete, "/admin/models/swap", "")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status, text)
	r := <-first
	require.NoError(t, r.err)
	require.Equal(t, http.StatusConflict, r.status, r.text)
	require.Contains(t, r.text, "it was cancelled; starter is served as before")
	stream.Text = ""
	require.NoError(t, stream.Until(""), "the answer goes on")
	require.Empty(t, stream.Refusal)
	troupetest.MustChat(t, s.URL, "bob", troupetest.Request{Messages: troupetest.User("Hello?")})
	stream.Close()
	s.Stop()
}

// TestAFailedSwapLeavesTheOldModel tries what cannot be served. Weights that are no numbers are found only after the old model was closed, if there is no
// memory for both.
func TestAFailedSwapLeavesTheOldModel(t *testing.T) {
	for name, memory := range memories {
		t.Run(name, func(t *testing.T) {
			s := troupetest.Start(t, append(memory, "--models", twins(t), "--admin-key", swapKey)...)
			r := troupetest.Request{Messages: troupetest.User("The code word is ZEBRA-42.")}
			told := troupetest.MustChat(t, s.URL, "ada", r)
			for _, c := range []struct {
				model  string
				status int
				says   string
			}{
				{"nothing", 404, "there is no model"},
				{"../twin", 404, "there is no model"},
				{"teapot", 400, "teapot"},
				{"cut", 400, "model.safetensors"},
				{"mad", 400, "the logits are not finite"},
				{"big", 400, "does not fit"},
			} {
				status, text, err := admin(s, http.MethodPost, "/admin/models/swap", fmt.Sprintf(`{"model":%q}`, c.model))
				require.NoError(t, err)
				require.Equal(t, c.status, status, text)
				require.Contains(t, text, c.says)
				require.Contains(t, text, "starter is served as before")
				require.Equal(t, "starter", served(t, s))
				a := troupetest.MustChat(t, s.URL, "ada", r)
				require.Equal(t, told.Text, a.Text)
				require.Equal(t, a.Usage.Prompt-1, a.Usage.Details.Cached, "after %s", c.model)
			}
			s.Stop()
		})
	}
}
