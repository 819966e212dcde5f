package troupetest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tmaxmax/go-sse"
)

// Paths of the two dialects.
const (
	OpenAI    = "/v1/chat/completions"
	Anthropic = "/v1/messages"
)

// Request is a chat request in the form of the OpenAI dialect; for its fields see the API.
type Request struct {
	Messages      []Message      `json:"messages"`
	Model         string         `json:"model"`
	MaxTokens     int            `json:"max_tokens,omitempty"`
	Temperature   float64        `json:"temperature"`
	Seed          int            `json:"seed,omitempty"`
	IgnoreEOS     bool           `json:"ignore_eos,omitempty"`
	Stream        bool           `json:"stream,omitempty"`
	StreamOptions *StreamOptions `json:"stream_options,omitempty"`
}

// StreamOptions asks for the usage at the end of a stream.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// Message is one turn of a conversation.
type Message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// User returns a conversation of one user turn.
func User(text string) []Message { return []Message{{"user", text}} }

// Answer is what came back.
type Answer struct {
	Status  int
	Header  http.Header
	Body    string // of an answer that is not a stream
	Text    string
	Finish  string
	Usage   Usage
	Refusal string // the message of an error, also of one within a stream
}

// Usage is the usage of the OpenAI dialect.
type Usage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Details    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

// completion is an answer or a chunk of one.
type completion struct {
	Choices []struct {
		Message      Message `json:"message"`
		Delta        Message `json:"delta"`
		FinishReason string  `json:"finish_reason"`
	} `json:"choices"`
	Usage *Usage `json:"usage"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// Chat sends a request as an agent and returns the whole answer.
func Chat(ctx context.Context, url, agent string, r Request) (Answer, error) {
	stream, err := Open(ctx, url, agent, r)
	if err != nil {
		return Answer{}, err
	}
	defer stream.Close()
	return stream.Rest()
}

// MustChat is Chat that wants status 200 and an answer to its end.
func MustChat(t testing.TB, url, agent string, r Request) Answer {
	t.Helper()
	a, err := Chat(t.Context(), url, agent, r)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status, a.Body)
	require.NotEmpty(t, a.Finish)
	return a
}

// Stream is an answer in progress. It is used by one goroutine.
type Stream struct {
	Answer
	response *http.Response
	next     func() (sse.Event, error, bool) // nil if the answer is not a stream
	stop     func()
}

// Open sends a request and returns when the status is there.
func Open(ctx context.Context, url, agent string, r Request) (*Stream, error) {
	if r.Model == "" {
		r.Model = "starter"
	}
	if r.Stream {
		r.StreamOptions = &StreamOptions{IncludeUsage: true}
	}
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	resp, err := Post(ctx, url+OpenAI, agent, bytes.NewReader(body)) //nolint:bodyclose // the stream owns it: Close
	if err != nil {
		return nil, err
	}
	s := &Stream{response: resp, stop: func() {}}
	s.Status, s.Header = resp.StatusCode, resp.Header
	if r.Stream && s.Status == http.StatusOK {
		s.next, s.stop = iter.Pull2(sse.Read(resp.Body, nil))
	}
	return s, nil
}

// Post sends a body as JSON. The caller closes the response's body.
func Post(ctx context.Context, url, agent string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	if agent != "" {
		req.Header.Set("X-Agent-ID", agent)
	}
	return http.DefaultClient.Do(req)
}

// Close ends the connection if the answer was not read to its end.
func (s *Stream) Close() {
	s.stop()
	_ = s.response.Body.Close()
}

// Until reads events until the text is not empty and contains something. It returns an error if the answer ends before.
func (s *Stream) Until(text string) error {
	for s.Text == "" || !strings.Contains(s.Text, text) {
		done, err := s.read()
		if err != nil {
			return err
		}
		if done {
			return fmt.Errorf("the answer ended before %q came: %q", text, s.Text)
		}
	}
	return nil
}

// Rest reads the answer to its end. It returns an error if a stream ends without [DONE].
func (s *Stream) Rest() (Answer, error) {
	if s.next == nil {
		body, err := io.ReadAll(s.response.Body)
		if err != nil {
			return s.Answer, err
		}
		s.Body = string(body)
		return s.Answer, s.take(s.Body)
	}
	for {
		if done, err := s.read(); done || err != nil {
			return s.Answer, err
		}
	}
}

// read takes one event of a stream and reports whether it was the last.
func (s *Stream) read() (done bool, err error) {
	event, err, ok := s.next()
	switch {
	case err != nil:
		return false, err
	case !ok:
		return false, io.ErrUnexpectedEOF
	case event.Data == "[DONE]":
		return true, nil
	}
	return false, s.take(event.Data)
}

// take adds what a completion or chunk says to the answer.
func (s *Stream) take(data string) error {
	var c completion
	if err := json.Unmarshal([]byte(data), &c); err != nil {
		return fmt.Errorf("%q: %w", data, err)
	}
	for _, choice := range c.Choices {
		s.Text += choice.Message.Content + choice.Delta.Content
		if choice.FinishReason != "" {
			s.Finish = choice.FinishReason
		}
	}
	if c.Usage != nil {
		s.Usage = *c.Usage
	}
	if c.Error != nil {
		s.Refusal = c.Error.Message
	}
	return nil
}
