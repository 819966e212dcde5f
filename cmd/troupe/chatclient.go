package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/tmaxmax/go-sse"
)

// chatClient is one conversation over the OpenAI dialect.
type chatClient struct {
	url, agent string
	key        string // "": none
	model      string
	messages   []chatMessage
}

type chatMessage struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

// chunk is a chunk of a streamed completion, or an error in its place.
type chunk struct {
	Choices []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
		FinishReason *string `json:"finish_reason"`
	} `json:"choices"`
	Error *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// discover asks the server for its model and returns its id.
func (c *chatClient) discover(ctx context.Context) (string, error) {
	resp, err := c.do(ctx, http.MethodGet, "/v1/models", nil)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil || len(list.Data) == 0 {
		return "", fmt.Errorf("%s does not answer like a model server: no list of models", c.url)
	}
	c.model = list.Data[0].ID
	return c.model, nil
}

// reset forgets the conversation and goes on as another agent.
func (c *chatClient) reset(agent string) { c.agent, c.messages = agent, nil }

// say sends a turn and calls show with the pieces of the answer. What was said becomes part of the conversation if any answer came, so a stopped answer
// is remembered as far as it was seen.
func (c *chatClient) say(ctx context.Context, text string, show func(string)) error {
	turn := append(c.messages[:len(c.messages):len(c.messages)], chatMessage{"user", text})
	body, err := json.Marshal(map[string]any{"model": c.model, "messages": turn, "stream": true})
	if err != nil {
		return fmt.Errorf("encode the request: %w", err)
	}
	resp, err := c.do(ctx, http.MethodPost, "/v1/chat/completions", body)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer strings.Builder
	err = readChunks(resp.Body, func(piece string) {
		answer.WriteString(piece)
		show(piece)
	})
	if answer.Len() > 0 {
		c.messages = append(turn, chatMessage{"assistant", answer.String()})
	}
	return err
}

// readChunks reads a stream up to [DONE]. A stream that ends before is an error.
func readChunks(r io.Reader, show func(string)) error {
	for event, err := range sse.Read(r, nil) {
		if err != nil {
			return fmt.Errorf("the answer broke off: %w", err)
		}
		if event.Data == "[DONE]" {
			return nil
		}
		var c chunk
		if err := json.Unmarshal([]byte(event.Data), &c); err != nil {
			return fmt.Errorf("the answer is not what a chat server sends: %w", err)
		}
		if c.Error != nil {
			return errors.New(c.Error.Message)
		}
		if len(c.Choices) > 0 && c.Choices[0].Delta.Content != "" {
			show(c.Choices[0].Delta.Content)
		}
	}
	return errors.New("the answer broke off before its end")
}

// do sends a request. A status other than 200 is an error with the server's message.
func (c *chatClient) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	return accepted(request(ctx, method, c.url, path, bytes.NewReader(body), http.Header{
		"Content-Type": {"application/json"}, "X-Agent-Id": {c.agent}, "X-Api-Key": {c.key},
	}))
}
