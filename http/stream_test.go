package http

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
)

// endpoints are the generating ones, with a smallest body each.
var endpoints = []struct {
	name, path string
	body       func(fields string) string
}{
	{"anthropic", "/v1/messages", anthropicBody},
	{"openai", "/v1/chat/completions", openaiBody},
}

// TestTranscripts compares whole answers, status line and headers aside, byte for byte.
func TestTranscripts(t *testing.T) {
	cases := []struct {
		name   string
		fields string
		out    actors.Outcome
		events []actors.Event
	}{
		{"stop", "", ended(runtime.FinishStop), hello},
		{"length", "", ended(runtime.FinishLength), hello},
		{"string", `,"stop":["x"],"stop_sequences":["x"]`, func() actors.Outcome { o := ended(runtime.FinishString); o.StopString = "x"; return o }(), hello},
		{"context", `,"max_tokens":100000`, ended(runtime.FinishLength), hello},
		{"empty", "", ended(runtime.FinishStop), hello[:1]},
		{"usage", `,"stream_options":{"include_usage":true}`, ended(runtime.FinishStop), hello},
	}
	for _, e := range endpoints {
		for _, c := range cases {
			for _, mode := range []string{"json", "sse"} {
				name := strings.Join([]string{e.name, c.name, mode}, ".")
				t.Run(name, func(t *testing.T) {
					h, d := direct(t, Config{})
					fields := c.fields
					if mode == "sse" {
						fields += `,"stream":true`
					}
					d.stage(c.out, c.events...)
					a := h.post(t, e.path, e.body(fields))
					require.Equal(t, http.StatusOK, a.status, a.body)
					require.Equal(t, "req_0001", a.header.Get("request-id"))
					require.Equal(t, "req_0001", a.header.Get("x-request-id"))
					want := map[string]string{"json": "application/json", "sse": "text/event-stream; charset=utf-8"}[mode]
					require.Equal(t, want, a.header.Get("content-type"))
					golden(t, name, a.body+"\n")
				})
			}
		}
	}
}

// openStream sends a streaming request and returns the answer once its head is there.
func openStream(t *testing.T, h *house, path, body string) (*http.Response, *bufio.Reader) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+path, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := h.client.Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	return resp, bufio.NewReader(resp.Body)
}

// line reads lines until one has the prefix.
func line(t *testing.T, r *bufio.Reader, prefix string) string {
	t.Helper()
	for {
		s, err := r.ReadString('\n')
		require.NoError(t, err, "before a line %q", prefix)
		if strings.HasPrefix(s, prefix) {
			return strings.TrimSuffix(s, "\n")
		}
	}
}

// TestPingWhileQueued has a generation that never starts by itself: the head and the pings must come by the clock alone.
func TestPingWhileQueued(t *testing.T) {
	for _, e := range endpoints {
		t.Run(e.name, func(t *testing.T) {
			h, d := direct(t, Config{PingInterval: time.Millisecond})
			resp, r := openStream(t, h, e.path, e.body(`,"stream":true`))
			require.Equal(t, http.StatusOK, resp.StatusCode)
			ping := map[string]string{"anthropic": "event: ping", "openai": ": ping"}[e.name]
			for range 3 {
				line(t, r, ping)
			}
			s := d.next(t)
			s.tell(actors.Event{Started: true, Cached: 4})
			line(t, r, ping)
			s.play(ended(runtime.FinishStop), actors.Event{Text: "Hello", Tokens: 1})
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Contains(t, string(rest), "Hello")
			if e.name == "anthropic" { // the head did not know of the cache; the end does
				require.Contains(t, string(rest), `"usage":{"input_tokens":8,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":3}`)
			}
		})
	}
}

// TestNudge checks that a long silence is broken by something that clients who do not count pings count.
func TestNudge(t *testing.T) {
	h, d := direct(t, Config{PingInterval: time.Millisecond})
	_, r := openStream(t, h, "/v1/messages", anthropicBody(`,"stream":true`))
	line(t, r, "event: content_block_start")
	require.Equal(t, `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`,
		line(t, r, `data: {"type":"content_block_delta"`))
	d.next(t).play(ended(runtime.FinishStop))
	line(t, r, "event: content_block_stop")
}

// TestFailure ends generations with an error before and after the first event.
func TestFailure(t *testing.T) {
	busy := &runtime.Error{Kind: runtime.Busy, Message: "no room", RetryAfter: 1500 * time.Millisecond}
	secret := errors.New("secret of the house")
	for _, e := range endpoints {
		for _, mode := range []string{"json", "sse"} {
			t.Run(e.name+"/"+mode, func(t *testing.T) {
				h, d := direct(t, Config{})
				body := e.body(map[string]string{"json": "", "sse": `,"stream":true`}[mode])

				t.Run("refused", func(t *testing.T) {
					d.refuse = busy
					a := h.post(t, e.path, body)
					require.Equal(t, http.StatusTooManyRequests, a.status)
					require.Equal(t, "2", a.header.Get("retry-after"))
					d.refuse = nil
				})
				t.Run("before it started", func(t *testing.T) {
					d.stage(actors.Outcome{Err: secret})
					a := h.post(t, e.path, body)
					require.Equal(t, http.StatusInternalServerError, a.status)
					require.NotContains(t, a.body, "secret")
					require.Contains(t, a.body, "internal error")
				})
				t.Run("after it started", func(t *testing.T) {
					d.stage(actors.Outcome{Err: busy}, hello...)
					a := h.post(t, e.path, body)
					if mode == "json" {
						require.Equal(t, http.StatusTooManyRequests, a.status)
						return
					}
					require.Equal(t, http.StatusOK, a.status)
					golden(t, e.name+".failure.sse", a.body+"\n")
				})
			})
		}
	}
}

// TestShutdown cuts off a stream: it must end with the dialect's error, and the server with it.
func TestShutdown(t *testing.T) {
	for _, e := range endpoints {
		t.Run(e.name, func(t *testing.T) {
			h, d := direct(t, Config{})
			d.begin(actors.Event{Started: true})
			_, r := openStream(t, h, e.path, e.body(`,"stream":true`))
			line(t, r, "data: ")
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			require.ErrorIs(t, h.Shutdown(ctx), context.Canceled)
			rest, err := io.ReadAll(r)
			require.NoError(t, err)
			require.Contains(t, string(rest), "the server is shutting down")
		})
	}
}

// TestPanicInAStream panics in the goroutine that writes; the process must live, and the server answer.
func TestPanicInAStream(t *testing.T) {
	h, d := direct(t, Config{})
	d.stage(actors.Outcome{Err: panicking{}}, hello...)
	resp, r := openStream(t, h, "/v1/messages", anthropicBody(`,"stream":true`))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	_, _ = io.ReadAll(r)
	require.Equal(t, http.StatusOK, h.get(t, "/health/ready").status)
}

// panicking is an error that cannot be looked at.
type panicking struct{}

func (panicking) Error() string   { panic("looked at") }
func (panicking) Is(error) bool   { panic("looked at") }
func (panicking) Unwrap() []error { panic("looked at") }
