package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const good = `data: {"choices":[{"delta":{"role":"assistant","content":""}}]}

data: {"choices":[{"delta":{"content":"one"}}]}

: a comment

data: {"choices":[{"delta":{"content":"\"two"}}]}

data: {"choices":[],"usage":{"completion_tokens":3}}

data: [DONE]

`

// answering starts a server that gives every request the same answer.
func answering(t *testing.T, status int, body string) *client {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return newClient(s.URL, 2)
}

func TestClientCountsTextsAndTokens(t *testing.T) {
	spoke := make(chan struct{})
	s := answering(t, 200, good).doTelling(context.Background(), job{tokens: 3}, spoke)
	require.NoError(t, s.err)
	require.Equal(t, 200, s.status)
	require.Equal(t, 3, s.tokens, "as the server counted")
	require.Positive(t, s.first)
	require.Len(t, s.gaps, 1, "two texts")
	_, open := <-spoke
	require.False(t, open)
}

func TestClientRefusesWhatIsNotAWholeAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		tokens int
		says   string
	}{
		"cut":         {200, strings.TrimSuffix(good, "data: [DONE]\n\n"), 3, "before [DONE]"},
		"too short":   {200, good, 4, "3 tokens came instead of 4"},
		"no usage":    {200, "data: [DONE]\n\n", 4, "0 tokens"},
		"busy":        {429, `{"error":{"message":"later"}}`, 3, "status 429: {"},
		"odd usage":   {200, "data: {\"usage\":{\"completion_tokens\":\"3\"}}\n\ndata: [DONE]\n\n", 3, "usage"},
		"overlong":    {200, "data: " + strings.Repeat("x", 1<<16) + "\n\n", 3, "before [DONE]"},
		"other error": {500, "", 3, "status 500"},
	} {
		s := answering(t, c.status, c.body).do(context.Background(), job{tokens: c.tokens})
		require.ErrorContains(t, s.err, c.says, name)
		require.Equal(t, c.status, s.status, name)
	}
}

func TestClientWithoutAServer(t *testing.T) {
	s := newClient("http://127.0.0.1:1", 1).do(context.Background(), job{tokens: 1})
	require.Error(t, s.err)
	require.Zero(t, s.status)
}
