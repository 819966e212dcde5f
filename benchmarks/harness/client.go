package harness

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"time"
)

// Job is one request to send.
type Job struct {
	Agent  string
	Prompt string
	Tokens int // length of the answer: the end of turn is ignored
}

// Sample is what one request gave.
type Sample struct {
	Status int         // 0: no answer
	Err    error       // also of a 200 that was not a whole answer
	Sent   time.Time   // before the request was written
	Texts  []time.Time // when each event with text was read
	Usage
}

// Usage is what the server counted.
type Usage struct {
	Prompt int `json:"prompt_tokens"`
	Tokens int `json:"completion_tokens"`
	Cached struct {
		Tokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// First is the time from sending to the first text.
func (s *Sample) First() time.Duration { return s.Texts[0].Sub(s.Sent) }

// Client sends requests to a server that speaks OpenAI's chat completions.
type Client struct {
	URL    string
	Fields map[string]any // of the body, beside the usual ones, and in their place
	HTTP   *http.Client
}

// NewClient makes a client that keeps its connections.
func NewClient(url string, connections int) *Client {
	return &Client{URL: url, HTTP: &http.Client{Transport: &http.Transport{
		MaxIdleConns: connections, MaxIdleConnsPerHost: connections, DisableCompression: true,
	}}}
}

// Do sends a request and reads its stream.
func (c *Client) Do(ctx context.Context, j Job) Sample {
	return c.DoTelling(ctx, j, make(chan struct{}))
}

// DoTelling is Do that closes spoke at the first text, and in any case before it returns. It reads every event but decodes only the last one, which has
// the usage: a load generator that decoded each would measure itself.
func (c *Client) DoTelling(ctx context.Context, j Job, spoke chan<- struct{}) Sample {
	tell := sync.OnceFunc(func() { close(spoke) })
	defer tell()
	req, err := c.request(ctx, j)
	if err != nil {
		return Sample{Err: err}
	}
	s := Sample{Sent: time.Now()}
	resp, err := c.HTTP.Do(req)
	if err != nil {
		s.Err = err
		return s
	}
	defer func() { _ = resp.Body.Close() }()
	s.Status = resp.StatusCode
	if s.Status != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
		s.Err = fmt.Errorf("status %d: %s", s.Status, bytes.TrimSpace(text))
		return s
	}
	s.Err = s.read(resp.Body, tell)
	switch {
	case s.Err != nil:
	case s.Tokens != j.Tokens:
		s.Err = fmt.Errorf("%d tokens came instead of %d", s.Tokens, j.Tokens)
	case len(s.Texts) == 0:
		s.Err = fmt.Errorf("%d tokens came, and no text", s.Tokens)
	}
	return s
}

func (c *Client) request(ctx context.Context, j Job) (*http.Request, error) {
	fields := map[string]any{
		"model": "load", "stream": true, "max_tokens": j.Tokens, "ignore_eos": true, "temperature": 0,
		"stream_options": map[string]bool{"include_usage": true},
		"messages":       []map[string]string{{"role": "user", "content": j.Prompt}},
	}
	maps.Copy(fields, c.Fields)
	body, err := json.Marshal(fields)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/v1/chat/completions", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Agent-ID", j.Agent)
	return req, nil
}

const (
	dataPrefix = "data: "
	doneData   = "[DONE]"
	textField  = `"content":`
	usageField = `"usage":`
)

// read takes the events of a stream up to [DONE] and calls spoke at the first text.
func (s *Sample) read(r io.Reader, spoke func()) error {
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		line, err := lines.ReadSlice('\n')
		if err != nil {
			return fmt.Errorf("the stream ended before [DONE]: %w", err)
		}
		data, ok := bytes.CutPrefix(bytes.TrimRight(line, "\r\n"), []byte(dataPrefix))
		if !ok {
			continue
		}
		if string(data) == doneData {
			_, err := io.Copy(io.Discard, lines) // so that the connection is kept
			return err
		}
		if hasText(data) {
			s.Texts = append(s.Texts, time.Now())
			spoke()
		}
		if value := after(data, usageField); len(value) > 0 && value[0] == '{' {
			if err := s.usage(data); err != nil {
				return err
			}
		}
	}
}

// hasText reports whether a chunk carries text that is not empty.
func hasText(data []byte) bool {
	value := after(data, textField)
	return len(value) > 1 && value[0] == '"' && value[1] != '"'
}

// after is what follows a field's name, and a space that some servers write.
func after(data []byte, field string) []byte {
	_, value, _ := bytes.Cut(data, []byte(field))
	return bytes.TrimLeft(value, " ")
}

func (s *Sample) usage(data []byte) error {
	c := struct{ Usage *Usage }{&s.Usage}
	if err := json.Unmarshal(data, &c); err != nil {
		return fmt.Errorf("usage: %w", err)
	}
	return nil
}
