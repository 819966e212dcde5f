package http

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestLifeOfAServer follows the health endpoints from before the model is there to the end.
func TestLifeOfAServer(t *testing.T) {
	h := open(t, Config{})
	check := func(path string, status int, body string) {
		t.Helper()
		a := h.get(t, path)
		require.Equal(t, status, a.status)
		require.Equal(t, body, a.body)
		require.Equal(t, status == http.StatusServiceUnavailable, a.header.Get("retry-after") != "")
	}
	check("/health/live", http.StatusOK, `{"status":"ok"}`)
	for _, path := range []string{"/health", "/health/ready"} {
		check(path, http.StatusServiceUnavailable, `{"status":"starting","reason":"the model is being loaded"}`)
	}
	for _, e := range endpoints {
		a := h.post(t, e.path, e.body(""))
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, "2", a.header.Get("retry-after"))
		require.Contains(t, a.body, "the model is being loaded")
	}
	require.Equal(t, http.StatusServiceUnavailable, h.get(t, "/v1/models").status)

	h.attach(&service{model: newModel(t), generate: newDirector().generate})
	for _, path := range []string{"/health", "/health/ready"} {
		check(path, http.StatusOK, `{"status":"ok","model":"org/tiny"}`)
	}

	h.Drain()
	for _, path := range []string{"/health", "/health/ready"} {
		check(path, http.StatusServiceUnavailable, `{"status":"draining","reason":"the server is shutting down and finishes what it has begun"}`)
	}
	check("/health/live", http.StatusOK, `{"status":"ok"}`)
}

func TestModels(t *testing.T) {
	h, _ := direct(t, Config{})
	info := `{"id":"org/tiny","object":"model","created":1700000000,"owned_by":"troupe","type":"model","display_name":"org/tiny",` +
		`"created_at":"2023-11-14T22:13:20Z","lifecycle":"active","max_input_tokens":4095,"max_tokens":4095}`
	require.Equal(t, `{"object":"list","data":[`+info+`],"has_more":false,"first_id":"org/tiny","last_id":"org/tiny"}`, h.get(t, "/v1/models?limit=1000").body)
	require.Equal(t, info, h.get(t, "/v1/models/org/tiny").body)
	require.Equal(t, info, h.get(t, "/v1/models/org%2Ftiny").body)

	a := h.get(t, "/v1/models/other")
	require.Equal(t, http.StatusNotFound, a.status)
	require.Equal(t, `{"error":{"message":"there is no model \"other\"; this server has org/tiny","type":"invalid_request_error","param":"model","code":"model_not_found"}}`, a.body)
	a = h.get(t, "/v1/models/other", "anthropic-version", "2023-06-01")
	require.Equal(t, `{"type":"error","error":{"type":"not_found_error","message":"there is no model \"other\"; this server has org/tiny"},"request_id":"req_0001"}`, a.body)
}

func TestStrictModels(t *testing.T) {
	h, d := direct(t, Config{StrictModels: true})
	for _, e := range endpoints {
		a := h.post(t, e.path, e.body(""))
		require.Equal(t, http.StatusNotFound, a.status)
		require.Contains(t, a.body, `there is no model \"m\"; this server has org/tiny`)
		ask(t, h, d, e.path, e.body(`,"model":"org/tiny"`))
	}
}

func TestCountTokens(t *testing.T) {
	h, d := direct(t, Config{})
	body := `{"model":"m","system":"s","messages":[{"role":"user","content":"hi"}]}`
	a := h.post(t, "/v1/messages/count_tokens?beta=true", body)
	require.Equal(t, http.StatusOK, a.status, a.body)
	r, _ := ask(t, h, d, "/v1/messages", body[:len(body)-1]+`,"max_tokens":1}`)
	require.JSONEq(t, `{"input_tokens":32}`, a.body)
	require.Len(t, r.Prompt, 32)
	requireError(t, "anthropic", h.post(t, "/v1/messages/count_tokens", "{}"), http.StatusBadRequest, "messages must have at least one message", "")
}

func TestCORS(t *testing.T) {
	h, _ := direct(t, Config{CORSOrigins: []string{"http://a.example", "http://b.example"}})
	require.Equal(t, "http://b.example", h.get(t, "/health", "Origin", "http://b.example").header.Get("Access-Control-Allow-Origin"))
	require.Empty(t, h.get(t, "/health", "Origin", "http://c.example").header.Get("Access-Control-Allow-Origin"))
	a := h.do(t, http.MethodOptions, "/v1/messages", "", "Origin", "http://a.example", "Access-Control-Request-Method", "POST")
	require.Equal(t, http.StatusNoContent, a.status)
}
