package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// usher answers the admin routes by rote. A swap to slow ends when it is cancelled.
func usher(t *testing.T) (url string, asked chan string) {
	asked = make(chan string, 10)
	cancelled := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a request that breaks off is not what was wanted
		asked <- strings.TrimSpace(fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("X-Admin-Key"), body))
		switch {
		case r.Method == http.MethodDelete:
			close(cancelled)
			fmt.Fprint(w, `{"state":"ready","current":{"name":"a"},"available":["a","b"]}`)
		case r.Method == http.MethodGet:
			fmt.Fprint(w, `{"state":"swapping","reason":"the model is being replaced by b: draining","current":{"name":"a"},"available":["a","b\u001b[2J"],"swap":{"model":"b","phase":"draining"}}`)
		case strings.Contains(string(body), "slow"):
			<-cancelled
			w.WriteHeader(http.StatusConflict)
			fmt.Fprint(w, `{"error":{"message":"it was cancelled; a is served as before"}}`)
		case strings.HasSuffix(r.URL.Path, "offload"):
			fmt.Fprint(w, `{"result":"done","seconds":0.2,"gap_seconds":0.2}`)
		default:
			fmt.Fprint(w, `{"model":"b","result":"done","seconds":3.21,"gap_seconds":0.26,"stopped":2}`)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

func TestModelsOfAServer(t *testing.T) {
	url, asked := usher(t)
	for _, c := range []struct{ args, out, asked string }{
		{"list", "* a\n  b[2J\nswapping: the model is being replaced by b: draining\n", "GET /admin/models k"},
		{"swap b --drain 5s --queue", "b is served, after 3.2 s, 0.3 s of them without a model; 2 requests were stopped\n",
			`POST /admin/models/swap k {"drain":5,"force":false,"model":"b","queue":true}`},
		{"load --force", "b is served, after 3.2 s, 0.3 s of them without a model; 2 requests were stopped\n",
			`POST /admin/models/load k {"drain":30,"force":true,"model":"","queue":false}`},
		{"offload", "no model is in memory, after 0.2 s, 0.2 s of them without a model; 0 requests were stopped\n",
			`POST /admin/models/offload k {"drain":30,"force":false,"model":"","queue":false}`},
		{"swap b --json", `{"model":"b","result":"done","seconds":3.21,"gap_seconds":0.26,"stopped":2}` + "\n",
			`POST /admin/models/swap k {"drain":30,"force":false,"model":"b","queue":false}`},
		{"cancel", "* a\n  b\n", "DELETE /admin/models/swap k"},
	} {
		status, out, errors := try("", append([]string{"models"}, append(strings.Fields(c.args), "--url", url, "--admin-key", "k")...)...)
		require.Equal(t, 0, status, errors)
		require.Equal(t, c.asked, <-asked)
		require.Equal(t, c.out, out)
	}
}

// TestAnInterruptCancelsTheSwap interrupts a swap once the server has it and has said what it is at: the server is told, and what it says is shown.
func TestAnInterruptCancelsTheSwap(t *testing.T) {
	url, asked := usher(t)
	c := &changeFlags{Drain: time.Second}
	c.URL = url
	ctx, interrupt := context.WithCancel(t.Context())
	ticks := make(chan time.Time)
	ended := make(chan error, 1)
	var phases bytes.Buffer
	go func() {
		ended <- c.changeUntil(ctx, func() {}, ticks, &console{out: io.Discard, err: &phases}, "swap", "slow")
	}()
	require.Contains(t, <-asked, "POST /admin/models/swap")
	for range 3 { // a tick is taken when what the one before asked for is there
		ticks <- time.Time{}
	}
	interrupt()
	for range 2 {
		require.Contains(t, <-asked, "GET /admin/models")
	}
	require.ErrorContains(t, <-ended, "it was cancelled; a is served as before (status 409)")
	require.Equal(t, "draining\n", phases.String(), "each phase once")
	var rest []string
	for len(asked) > 0 {
		rest = append(rest, <-asked)
	}
	require.Contains(t, rest, "DELETE /admin/models/swap")
}
