package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthTellsByItsStatus(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health/live", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"status":"ok"}`) })
	mux.HandleFunc("GET /health/ready", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprint(w, `{"status":"starting"}`)
	})
	server := httptest.NewServer(mux)
	require.Equal(t, "{\"status\":\"ok\"}\n", command(t, "", "health", "--live", "--url", server.URL+"/"))

	status, out, errors := try("", "health", "--url", server.URL)
	require.Equal(t, exitFailed, status)
	require.Empty(t, out)
	require.Contains(t, errors, `503 Service Unavailable: {"status":"starting"}`)

	server.Close()
	status, _, errors = try("", "health", "--url", server.URL)
	require.Equal(t, exitFailed, status)
	require.Contains(t, errors, "is `troupe serve` running?")
}
