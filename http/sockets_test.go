package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
)

// TestClientLeaves closes the connection before the first token. The generation must be cancelled, though nothing was written and no ping is due.
func TestClientLeaves(t *testing.T) {
	for _, e := range endpoints {
		for _, mode := range []string{"", `,"stream":true`} {
			for _, started := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s%s/%t", e.name, mode, started), func(t *testing.T) {
					h, d := direct(t, Config{})
					c := h.dial(t, rawPost(e.path, e.body(mode)))
					s := d.next(t)
					if started {
						s.tell(actors.Event{Started: true})
					}
					require.NoError(t, c.Close())
					receive(t, s.ctx.Done())
					require.ErrorIs(t, context.Cause(s.ctx), errClientGone)
				})
			}
		}
	}
}

// TestClientLeavesTheHouse does the same on real actors, while the engine is in the middle of a step; then all blocks must be free.
func TestClientLeavesTheHouse(t *testing.T) {
	stepping, release := make(chan struct{}, 1), make(chan struct{})
	const tokens = 1_000_000 // more than can be made before the end of the connection is seen
	m := newModel(t)
	m.Context = 2 * tokens
	sys, err := actors.Start(actors.Config{Model: m, Engine: enginetest.NewFake(enginetest.Options{
		Vocab: m.Tokenizer.VocabSize(), Context: m.Context, Blocks: 1 << 17,
		BeforeStep: func([]runtime.Row) error {
			select {
			case stepping <- struct{}{}:
			default:
			}
			<-release
			return nil
		},
	})})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sys.Close()) })
	h := open(t, Config{})
	h.Attach(m, sys, nil)

	c := h.dial(t, rawPost("/v1/messages", anthropicBody(`,"max_tokens":1000000,"ignore_eos":true,"stream":true`)))
	receive(t, stepping)
	require.NoError(t, c.Close())
	close(release)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, sys.Drain(ctx), "the request of a client that left ran on")
	stats, err := sys.Stats(ctx)
	require.NoError(t, err)
	require.Zero(t, stats.Running)
	require.Zero(t, stats.Leased)
	require.Less(t, stats.Decoded, uint64(tokens), "the request of a client that left ran to its end")
}

// TestHalfClosed shuts down the writing half: that is taken for leaving, and the answer says so to whoever still reads.
func TestHalfClosed(t *testing.T) {
	h, d := direct(t, Config{})
	c := h.dial(t, rawPost("/v1/chat/completions", openaiBody("")))
	s := d.next(t)
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	receive(t, s.ctx.Done())
	requireError(t, "openai", readResponse(t, bufio.NewReader(c)), http.StatusBadRequest,
		"the client closed its side of the connection: keep it open until the answer is complete", "")

	// In the middle of a request it is a request that never arrived.
	c = h.dial(t, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	requireError(t, "anthropic", readResponse(t, bufio.NewReader(c)), http.StatusBadRequest,
		"the request is not valid HTTP: the body broke off: unexpected EOF", "")
}

// TestKeepAlive sends requests of all forms on one connection, with deadlines short enough that one left over would show.
func TestKeepAlive(t *testing.T) {
	h, d := direct(t, Config{})
	c := h.dial(t, "")
	r := bufio.NewReader(c)
	for i := range 40 {
		e := endpoints[i%2]
		body := e.body([]string{"", `,"stream":true`, `,"oops":`, `,"max_tokens":0`}[i/2%4])
		d.stage(ended(runtime.FinishStop), hello...)
		_, err := io.WriteString(c, rawPost(e.path, body))
		require.NoError(t, err)
		a := readResponse(t, r)
		if i/2%4 < 2 {
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.Contains(t, a.body, "Hello")
		} else {
			require.Equal(t, http.StatusBadRequest, a.status)
		}
	}
}

// TestPipelined sends the next request before the answer to the first: the watcher sees bytes and must leave them alone.
func TestPipelined(t *testing.T) {
	h, d := direct(t, Config{})
	c := h.dial(t, rawPost("/v1/messages", anthropicBody(`,"stream":true`)))
	first := d.next(t)
	_, err := io.WriteString(c, rawPost("/v1/chat/completions", openaiBody("")))
	require.NoError(t, err)
	first.play(ended(runtime.FinishStop), hello...)
	r := bufio.NewReader(c)
	require.Contains(t, readResponse(t, r).body, "message_stop")
	d.next(t).play(ended(runtime.FinishStop), hello...)
	require.Contains(t, readResponse(t, r).body, "chat.completion")
}

// TestSlowRequest sends a request byte by byte and never ends it. It must be given up, and another client's stream must not notice.
func TestSlowRequest(t *testing.T) {
	h, d := direct(t, Config{ReadTimeout: 50 * time.Millisecond})
	begun := d.begin(hello[0])
	_, other := openStream(t, h, "/v1/messages", anthropicBody(`,"stream":true`))

	c := h.dial(t, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
	a := readResponse(t, bufio.NewReader(c))
	requireError(t, "anthropic", a, http.StatusRequestTimeout, "the request did not arrive within 50ms", "")
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)

	receive(t, begun).play(ended(runtime.FinishStop), hello[1:]...)
	rest, err := io.ReadAll(other)
	require.NoError(t, err)
	require.Contains(t, string(rest), "message_stop")
}

// TestHugeBody announces 100 MB, and sends them in chunks of unknown total. Neither may be read whole.
func TestHugeBody(t *testing.T) {
	h, _ := direct(t, Config{})
	c := h.dial(t, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n{")
	requireError(t, "anthropic", readResponse(t, bufio.NewReader(c)), http.StatusRequestEntityTooLarge, "the request body is larger than 33554432 bytes", "")

	c = h.dial(t, "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
	sent := make(chan int)
	go func() {
		chunk, n := "100000\r\n"+strings.Repeat(" ", 1<<20)+"\r\n", 0
		for ; n < 100; n++ {
			if _, err := io.WriteString(c, chunk); err != nil {
				break
			}
		}
		sent <- n
	}()
	requireError(t, "openai", readResponse(t, bufio.NewReader(c)), http.StatusRequestEntityTooLarge, "the request body is larger than 33554432 bytes", "")
	require.NoError(t, c.Close())
	require.Less(t, receive(t, sent), 100)
}

// TestSlowReader never reads its stream. When the kernel's buffers are full the flush must run into its deadline and cancel the generation.
func TestSlowReader(t *testing.T) {
	h, d := direct(t, Config{WriteTimeout: 50 * time.Millisecond})
	c := h.dial(t, "")
	require.NoError(t, c.(*net.TCPConn).SetReadBuffer(1<<12))
	_, err := io.WriteString(c, rawPost("/v1/messages", anthropicBody(`,"stream":true`)))
	require.NoError(t, err)
	s := d.next(t)
	go func() {
		s.tell(actors.Event{Started: true})
		big := actors.Event{Text: strings.Repeat("x", 1<<18)}
		for s.ctx.Err() == nil {
			if !s.offer(big) {
				time.Sleep(time.Millisecond) // the writer is behind, as it should be
			}
		}
	}()
	receive(t, s.ctx.Done())
}

// TestManyAtOnce streams to many clients on real actors; every answer must be the one that the engine gives to its prompt alone.
func TestManyAtOnce(t *testing.T) {
	h := live(t, Config{}, enginetest.Options{}, actors.Config{})
	m := h.service.Load().model
	const clients, tokens = 20, 30
	results := make(chan error, clients)
	for i := range clients {
		go func() {
			text := fmt.Sprintf("client %d", i)
			prompt := m.Tokenizer.Encode("<|im_start|>user\n"+text+"<|im_end|>\n<|im_start|>assistant\n", false)
			want := m.Tokenizer.Decode(enginetest.Greedy(m.Tokenizer.VocabSize(), prompt, tokens), true)
			body := fmt.Sprintf(`{"temperature":0,"max_tokens":%d,"ignore_eos":true,"messages":[{"role":"user","content":%q}]}`, tokens, text)
			resp, err := h.client.Post(h.url+"/v1/messages", "text/plain", strings.NewReader(body))
			if err != nil {
				results <- err
				return
			}
			b, err := io.ReadAll(resp.Body)
			err = errors.Join(err, resp.Body.Close())
			if err == nil && !strings.Contains(string(b), string(mustEncode(want))) {
				err = fmt.Errorf("client %d wants %q in %s", i, want, b)
			}
			results <- err
		}()
	}
	for range clients {
		require.NoError(t, receive(t, results))
	}
}
