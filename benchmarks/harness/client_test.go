package harness

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

data: {"choices":[{"delta": {"content": "\"two"}}], "usage": null}

data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":2}}}

data: [DONE]

`

// answering starts a server that gives every request the same answer.
func answering(t *testing.T, status int, body string) *Client {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return NewClient(s.URL, 2)
}

func TestClientCountsTextsAndTokens(t *testing.T) {
	spoke := make(chan struct{})
	s := answering(t, 200, good).DoTelling(context.Background(), Job{Tokens: 3}, spoke)
	require.NoError(t, s.Err)
	require.Equal(t, 200, s.Status)
	require.Equal(t, 3, s.Tokens, "as the server counted")
	require.Equal(t, 9, s.Prompt)
	require.Equal(t, 2, s.Cached.Tokens)
	require.Positive(t, s.First())
	require.Len(t, s.Texts, 2)
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
		"no text":     {200, "data: {\"usage\":{\"completion_tokens\":3}}\n\ndata: [DONE]\n\n", 3, "no text"},
		"other error": {500, "", 3, "status 500"},
	} {
		s := answering(t, c.status, c.body).Do(context.Background(), Job{Tokens: c.tokens})
		require.ErrorContains(t, s.Err, c.says, name)
		require.Equal(t, c.status, s.Status, name)
	}
}

func TestClientWithoutAServer(t *testing.T) {
	s := NewClient("http://127.0.0.1:1", 1).Do(context.Background(), Job{Tokens: 1})
	require.Error(t, s.Err)
	require.Zero(t, s.Status)
}
