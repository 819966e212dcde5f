package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// call sends a request of the agents API and wants a status.
func call(t *testing.T, method, url string, body []byte, status int) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	require.NoError(t, err)
	if len(body) > 0 && json.Valid(body) {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer func() { require.NoError(t, answer.Body.Close()) }()
	b, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, status, answer.StatusCode, "%s %s: %s", method, url, b)
	return b
}

// TestAgentsCanBeLookedAfter takes agents through all that the API does with them, and asks each afterwards what it knows.
func TestAgentsCanBeLookedAfter(t *testing.T) {
	codes, talks := codeWords(3)
	s := troupetest.Start(t)
	told := everyone(t, s.URL, talks)
	questions := asked(talks, told)

	call(t, "POST", s.URL+"/v1/agents/agent-0/hibernate", nil, http.StatusOK)
	call(t, "POST", s.URL+"/v1/agents/agent-1/fork", []byte(`{"to":"agent-1b"}`), http.StatusOK)
	file := call(t, "GET", s.URL+"/v1/agents/agent-2/export", nil, http.StatusOK)
	require.Contains(t, string(call(t, "GET", s.URL+"/v1/agents", nil, http.StatusOK)), "agent-1b")
	call(t, "GET", s.URL+"/v1/agents/nobody", nil, http.StatusNotFound)
	call(t, "POST", s.URL+"/v1/agents/import?id=agent-2", file, http.StatusConflict) // it is there already

	other := troupetest.Start(t) // knows nothing
	cold := everyone(t, other.URL, questions)
	for _, id := range []string{"agent-0", "agent-1", "agent-2"} {
		call(t, "DELETE", other.URL+"/v1/agents/"+id, nil, http.StatusOK)
		call(t, "GET", other.URL+"/v1/agents/"+id, nil, http.StatusNotFound)
	}
	damaged := bytes.Clone(file)
	damaged[len(damaged)/2] ^= 1
	call(t, "POST", other.URL+"/v1/agents/import?id=moved", damaged, http.StatusBadRequest)
	call(t, "GET", other.URL+"/v1/agents/moved", nil, http.StatusNotFound)
	call(t, "POST", other.URL+"/v1/agents/import?id=moved", file, http.StatusOK)

	ask := func(url, id string, i int) troupetest.Answer {
		a, err := troupetest.Chat(t.Context(), url, id, questions[i])
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, a.Status, a.Body)
		return a
	}
	for _, who := range []struct {
		url, id string
		i       int
	}{{s.URL, "agent-0", 0}, {other.URL, "moved", 2}} {
		requireRecall(t, codes[who.i:who.i+1], told[who.i:who.i+1], []troupetest.Answer{ask(who.url, who.id, who.i)}, cold[who.i:who.i+1])
	}
	for _, id := range []string{"agent-1", "agent-1b"} { // they share a block that is not full, which is computed again by whoever writes to it first
		a := ask(s.URL, id, 1)
		require.Contains(t, a.Text, codes[1])
		require.Equal(t, cold[1].Text, a.Text)
	}
	s.Stop()
	other.Stop()
}
