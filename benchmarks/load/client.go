package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// job is one request to send.
type job struct {
	agent  string
	prompt string
	tokens int // length of the answer: the end of turn is ignored
}

// sample is what one request gave.
type sample struct {
	status int           // 0: no answer
	err    error         // also of a 200 that was not a whole answer
	first  time.Duration // from sending to the first text
	gaps   []time.Duration
	tokens int // as the server counted them
}

// client sends requests over connections that are kept.
type client struct {
	http *http.Client
	url  string
}

func newClient(url string, connections int) *client {
	return &client{url: url, http: &http.Client{Transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true,
	}}}
}

// do sends a request and reads its stream.
func (c *client) do(ctx context.Context, j job) sample {
	return c.doTelling(ctx, j, make(chan struct{}))
}

// doTelling is do that closes spoke at the first text, and in any case before it returns. It reads every event but decodes only the last one, which has the usage: a load generator that decoded
// each would measure itself.
func (c *client) doTelling(ctx context.Context, j job, spoke chan<- struct{}) sample {
	tell := sync.OnceFunc(func() { close(spoke) })
	defer tell()
	body, err := json.Marshal(map[string]any{
		"model": "load", "stream": true, "max_tokens": j.tokens, "ignore_eos": true, "temperature": 0,
		"stream_options": map[string]bool{"include_usage": true},
		"messages":       []map[string]string{{"role": "user", "content": j.prompt}},
	})
	if err != nil {
		return sample{err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return sample{err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Agent-ID", j.agent)
	sent := time.Now()
	resp, err := c.http.Do(req)
	if err != nil {
		return sample{err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	s := sample{status: resp.StatusCode}
	if s.status != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		s.err = fmt.Errorf("status %d: %s", s.status, bytes.TrimSpace(text))
		return s
	}
	s.err = s.read(resp.Body, sent, tell)
	if s.err == nil && s.tokens != j.tokens {
		s.err = fmt.Errorf("%d tokens came instead of %d", s.tokens, j.tokens)
	}
	return s
}

const (
	dataPrefix = "data: "
	doneData   = "[DONE]"
	textField  = `"content":"`
	usageField = `"usage":{`
)

// read takes the events of a stream up to [DONE] and calls spoke at the first text.
func (s *sample) read(r io.Reader, sent time.Time, spoke func()) error {
	lines := bufio.NewReader(r)
	last := time.Time{}
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("the stream ended before [DONE]: %w", err)
		}
		data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\n"), []byte(dataPrefix))
		switch {
		case !ok:
		case string(data) == doneData:
			_, err := io.Copy(io.Discard, lines) // so that the connection is kept
			return err
		case bytes.Contains(data, []byte(usageField)):
			if err := s.usage(data); err != nil {
				return err
			}
		case hasText(data):
			now := time.Now()
			if last.IsZero() {
				s.first = now.Sub(sent)
				spoke()
			} else {
				s.gaps = append(s.gaps, now.Sub(last))
			}
			last = now
		}
	}
}

// hasText reports whether a chunk carries text that is not empty.
func hasText(data []byte) bool {
	_, after, ok := bytes.Cut(data, []byte(textField))
	return ok && len(after) > 0 && after[0] != '"'
}

func (s *sample) usage(data []byte) error {
	var c struct {
		Usage struct {
			Completion int `json:"completion_tokens"`
		} `json:"usage"`
	}
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	s.tokens = c.Usage.Completion
	return nil
}
