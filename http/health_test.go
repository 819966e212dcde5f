package http

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
)

// empty is the part of the answer about a pool that nobody uses.
const empty = `"pool":{"blocks":0,"free":0,"leased":0,"cached":0,"used":0,"running":0,"waiting":0}`

// TestLifeOfAServer follows the health endpoints from before the model is there to the end.
func TestLifeOfAServer(t *testing.T) {
	h, d := open(t, Config{}), newDirector()
	check := func(path string, status int, body string) {
		t.Helper()
		a := h.get(t, path)
		require.Equal(t, status, a.status)
		require.Equal(t, body, a.body)
		require.Equal(t, status == http.StatusServiceUnavailable, a.header.Get("retry-after") != "")
	}
	check("/", http.StatusOK, `{"status":"ok"}`)
	check("/health/live", http.StatusOK, `{"status":"ok"}`)
	for _, path := range []string{"/health", "/health/ready", "/health/startup"} {
		check(path, http.StatusServiceUnavailable, `{"status":"starting","reason":"the model is being loaded"}`)
	}
	for _, e := range endpoints {
		a := h.post(t, e.path, e.body(""))
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, "2", a.header.Get("retry-after"))
		require.Contains(t, a.body, "the model is being loaded")
	}
	require.Equal(t, http.StatusServiceUnavailable, h.get(t, "/v1/models").status)

	h.attach(d.service(t))
	check("/health", http.StatusOK, `{"status":"ok","model":"org/tiny",`+empty+`}`)
	for _, path := range []string{"/health/live", "/health/ready", "/health/startup"} {
		check(path, http.StatusOK, `{"status":"ok","model":"org/tiny"}`)
	}
	require.Empty(t, h.get(t, "/health").header.Get("Connection"))

	h.Drain()
	const draining = `{"status":"draining","reason":"the server is shutting down and finishes what it has begun"`
	check("/health", http.StatusServiceUnavailable, draining+`,`+empty+`}`)
	check("/health/ready", http.StatusServiceUnavailable, draining+`}`)
	check("/health/live", http.StatusOK, `{"status":"ok","model":"org/tiny"}`)
	check("/health/startup", http.StatusOK, `{"status":"ok","model":"org/tiny"}`)
	c := h.dial(t, "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.Contains(t, readAll(t, c), "Connection: close\r\n")
}

// TestConditions asks a house in every condition.
func TestConditions(t *testing.T) {
	h, d := direct(t, Config{StuckAfter: time.Minute})
	busy := actors.Stats{Blocks: 100, Free: 6, Leased: 90, Cached: 4, Running: 3, Waiting: 2}
	full, stuck := busy, busy
	full.Leased, full.Cached = 91, 3
	stuck.Stalled = 90 * time.Second
	pool := func(leased, cached int) string {
		return fmt.Sprintf(`,"pool":{"blocks":100,"free":6,"leased":%d,"cached":%d,"used":%v,"running":3,"waiting":2}}`, leased, cached, float64(leased)/100)
	}
	const ok, ready = `{"status":"ok","model":"org/tiny"`, `{"status":"ok","model":"org/tiny"}`
	for _, c := range []struct {
		name         string
		stats        actors.Stats
		health, live string // "": as in ok
	}{
		{"busy", busy, "", ""},
		{"full", full, `{"status":"degraded","reason":"running requests hold 91 of 100 blocks of the pool","model":"org/tiny"` + pool(91, 3), ""},
		{"stuck", stuck, `{"status":"stuck","reason":"requests run and the engine made no step for 1m30s","model":"org/tiny"` + pool(90, 4),
			`{"status":"stuck","reason":"requests run and the engine made no step for 1m30s","model":"org/tiny"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			d.set(c.stats, false)
			for path, want := range map[string]string{"/health": c.health, "/health/live": c.live, "/health/ready": "", "/health/startup": ""} {
				status := http.StatusServiceUnavailable
				switch {
				case want == "" && path == "/health":
					status, want = http.StatusOK, ok+pool(90, 4)
				case want == "":
					status, want = http.StatusOK, ready
				}
				a := h.get(t, path)
				require.Equal(t, status, a.status, path)
				require.Equal(t, want, a.body, path)
			}
		})
	}
}

// TestDeadHouse has actors that do not answer at all.
func TestDeadHouse(t *testing.T) {
	h, d := direct(t, Config{})
	h.statsPatience = time.Millisecond
	d.set(actors.Stats{}, true)
	for _, path := range []string{"/health", "/health/live"} {
		a := h.get(t, path)
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, `{"status":"stuck","reason":"the actors did not answer within 1ms","model":"org/tiny"}`, a.body)
	}
	require.Equal(t, http.StatusOK, h.get(t, "/health/ready").status)
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
