package http

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime/enginetest"
)

// TestAgentsOfAHouse drives the API against real actors: every route reaches what it names, for two keys that use the same name.
func TestAgentsOfAHouse(t *testing.T) {
	h := live(t, locked(), enginetest.Options{}, actors.Config{})
	as := func(key, method, path, body string, more ...string) answer {
		return h.do(t, method, path, body, append([]string{"X-Api-Key", key}, more...)...)
	}
	for _, key := range []string{keyA, keyB} {
		a := as(key, http.MethodPost, "/v1/messages", anthropicBody(""), "X-Agent-ID", "ada")
		require.Equal(t, http.StatusOK, a.status, a.body)
	}
	a := as(keyA, http.MethodGet, "/v1/agents", "")
	require.Contains(t, a.body, `"data":[{"id":"ada","object":"agent","state":"idle"`)
	require.Contains(t, a.body, `"has_more":false`)
	require.Contains(t, a.body, `"requests":1`)

	a = as(keyA, http.MethodPost, "/v1/agents/ada/fork", `{"to":"eve"}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.body, `"id":"eve"`)
	require.Equal(t, http.StatusOK, as(keyA, http.MethodGet, "/v1/agents/eve", "").status)
	require.Equal(t, http.StatusNotFound, as(keyB, http.MethodGet, "/v1/agents/eve", "").status)

	require.Contains(t, as(keyA, http.MethodPost, "/v1/agents/ada/pin", "").body, `"pinned":true`)
	require.Contains(t, as(keyB, http.MethodGet, "/v1/agents/ada", "").body, `"pinned":false`)
	require.Equal(t, http.StatusOK, as(keyA, http.MethodDelete, "/v1/agents/ada", "").status)
	require.Equal(t, http.StatusNotFound, as(keyA, http.MethodGet, "/v1/agents/ada", "").status)
	require.Equal(t, http.StatusOK, as(keyB, http.MethodGet, "/v1/agents/ada", "").status, "the other key's agent stays")
	require.Contains(t, as(keyA, http.MethodGet, "/v1/cache", "").body, `"blocks":{"total":1024,`)
	requireNoSuch := as(keyA, http.MethodGet, "/v1/agents/eve/export", "")
	require.Equal(t, http.StatusNotFound, requireNoSuch.status, "this house has no archive")
}

// TestKeysShareNothing sends the same prompt with two keys: what is cached for one says nothing about the other, named or not.
func TestKeysShareNothing(t *testing.T) {
	h := live(t, locked(), enginetest.Options{BlockTokens: 4, Context: 512}, actors.Config{})
	cached := func(key, agent string) int {
		header := []string{"X-Api-Key", key}
		if agent != "" {
			header = append(header, "X-Agent-ID", agent)
		}
		a := h.do(t, http.MethodPost, "/v1/messages", anthropicBody(""), header...)
		require.Equal(t, http.StatusOK, a.status, a.body)
		var body struct {
			Usage struct {
				Cached int `json:"cache_read_input_tokens"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(a.body), &body))
		return body.Usage.Cached
	}
	require.Zero(t, cached(keyA, ""))
	require.Zero(t, cached(keyB, ""))
	require.NotZero(t, cached(keyA, ""))
	require.NotZero(t, cached(keyB, "ada"))
	require.NotZero(t, cached(keyA, "ada"))
}
