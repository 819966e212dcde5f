package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// talker is a server that answers every request by a script and keeps what it was sent.
type talker struct {
	*httptest.Server
	agents   []string
	requests []map[string]any
	answer   func(w http.ResponseWriter)
	hang     func(w http.ResponseWriter, r *http.Request) // instead of answer, if set
}

func newTalker(t *testing.T) *talker {
	s := &talker{answer: func(w http.ResponseWriter) { speak(w, "Good ", "day.") }}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"data":[{"id":"parrot"}]}`) })
	mux.HandleFunc("POST /v1/chat/completions", func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if json.NewDecoder(r.Body).Decode(&body) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.agents, s.requests = append(s.agents, r.Header.Get("X-Agent-ID")), append(s.requests, body)
		if s.hang != nil {
			s.hang(w, r)
			return
		}
		s.answer(w)
	})
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

func speak(w http.ResponseWriter, pieces ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, p := range pieces {
		fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", p)
	}
	fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
}

// talk runs the chat command on typed lines.
func talk(t *testing.T, s *talker, typed string) (status int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run([]string{"chat", "--url", s.URL, "--agent", "ada"}, &console{in: strings.NewReader(typed), out: &o, err: &e})
	return status, o.String(), e.String()
}

func contents(t *testing.T, request map[string]any) (texts []string) {
	t.Helper()
	for _, m := range request["messages"].([]any) {
		texts = append(texts, m.(map[string]any)["role"].(string)+": "+m.(map[string]any)["content"].(string))
	}
	return texts
}

func TestChatKeepsTheConversationAndTheAgent(t *testing.T) {
	s := newTalker(t)
	status, out, errors := talk(t, s, "Hello\n\nAnd again\n")
	require.Equal(t, 0, status, errors)
	require.Contains(t, out, "Talking to parrot as agent ada.")
	require.Equal(t, 2, strings.Count(out, "Good day.\n"))
	require.Equal(t, []string{"ada", "ada"}, s.agents)
	require.Equal(t, []string{"user: Hello", "assistant: Good day.", "user: And again"}, contents(t, s.requests[1]))
	require.Equal(t, "parrot", s.requests[1]["model"])
}

func TestChatBeginsAnew(t *testing.T) {
	s := newTalker(t)
	status, _, errors := talk(t, s, "Hello\n/new\nHello\n/quit\nnever sent\n")
	require.Equal(t, 0, status, errors)
	require.Len(t, s.requests, 2)
	require.Equal(t, "ada", s.agents[0])
	require.Regexp(t, "^chat-[0-9a-f]{8}$", s.agents[1])
	require.Equal(t, []string{"user: Hello"}, contents(t, s.requests[1]))
}

func TestChatShowsWhatIsWrongAndGoesOn(t *testing.T) {
	s := newTalker(t)
	answers := []func(http.ResponseWriter){
		func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, `{"error":{"message":"come back later"}}`)
		},
		func(w http.ResponseWriter) { fmt.Fprint(w, "data: {\"error\":{\"message\":\"it broke\"}}\n\n") },
		func(w http.ResponseWriter) { fmt.Fprint(w, "data: {\"choices\":[]}\n\n") },
		func(w http.ResponseWriter) { speak(w, "fine") },
	}
	s.answer = func(w http.ResponseWriter) { answers[len(s.requests)-1](w) }
	status, out, errors := talk(t, s, "1\n2\n3\n4\n")
	require.Equal(t, 0, status)
	require.Contains(t, errors, "come back later (status 429)")
	require.Contains(t, errors, "it broke")
	require.Contains(t, errors, "broke off before its end")
	require.Contains(t, out, "fine\n")
	require.Equal(t, []string{"user: 4"}, contents(t, s.requests[3]), "turns without an answer are not part of the conversation")
}

func TestCtrlCStopsTheAnswerAndNotTheChat(t *testing.T) {
	s := newTalker(t)
	s.hang = func(w http.ResponseWriter, r *http.Request) {
		s.hang = nil // once
		fmt.Fprint(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Once upon\"}}]}\n\n")
		w.(http.Flusher).Flush()
		assert.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGINT))
		<-r.Context().Done()
	}
	status, out, errors := talk(t, s, "A story\nGo on\n")
	require.Equal(t, 0, status, errors)
	require.Contains(t, out, " [stopped]\n")
	require.Contains(t, out, "Good day.\n", "the chat goes on")
}

func TestChatShowsNoControlCharacters(t *testing.T) {
	s := newTalker(t)
	s.answer = func(w http.ResponseWriter) {
		fmt.Fprint(w, `data: {"choices":[{"delta":{"content":"a\u001b[2J\u009bb\n\tc\u007f é"}}]}`+"\n\ndata: [DONE]\n\n")
	}
	_, out, _ := talk(t, s, "Hello\nAgain\n")
	require.Contains(t, out, "a[2Jb\n\tc é\n")
	require.Equal(t, "assistant: a\x1b[2J\u009bb\n\tc\x7f é", contents(t, s.requests[1])[1], "the conversation keeps what the model wrote")
}

func TestChatWithoutAServer(t *testing.T) {
	s := newTalker(t)
	s.Close()
	status, _, errors := talk(t, s, "Hello\n")
	require.Equal(t, exitFailed, status)
	require.Contains(t, errors, "is `troupe serve` running?")
}
