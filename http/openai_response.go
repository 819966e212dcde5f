package http

import (
	"encoding/json"
	"net/http"

	"troupe/actors"
	"troupe/runtime"
)

// completion is the answer of /v1/chat/completions, and with chunk choices an event of its stream.
type completion struct {
	ID      string          `json:"id"`
	Object  string          `json:"object"`
	Created int64           `json:"created"`
	Model   string          `json:"model"`
	Choices []choice        `json:"choices"`
	Usage   json.RawMessage `json:"usage,omitempty"` // an openaiUsage, or null
}

type choice struct {
	Index        int             `json:"index"`
	Message      *openaiAnswer   `json:"message,omitempty"`
	Delta        *openaiDelta    `json:"delta,omitempty"`
	Logprobs     json.RawMessage `json:"logprobs"`
	FinishReason *string         `json:"finish_reason"`
}

type openaiAnswer struct {
	Role    string  `json:"role"`
	Content string  `json:"content"`
	Refusal *string `json:"refusal"`
}

// openaiUsage counts tokens. Cached tokens are a part of the prompt's.
type openaiUsage struct {
	Prompt     int `json:"prompt_tokens"`
	Completion int `json:"completion_tokens"`
	Total      int `json:"total_tokens"`
	Details    struct {
		Cached int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
}

func newOpenaiUsage(out actors.Outcome) json.RawMessage {
	u := openaiUsage{Prompt: out.PromptTokens, Completion: out.OutputTokens, Total: out.PromptTokens + out.OutputTokens}
	u.Details.Cached = out.CachedTokens
	return mustEncode(u)
}

// completion is the head of an answer.
func (openai) completion(g *generation, object string) completion {
	return completion{ID: "chatcmpl-" + g.id, Object: object, Created: g.created.Unix(), Model: g.served, Choices: []choice{}}
}

func (o openai) answer(g *generation, text string, out actors.Outcome) any {
	c := o.completion(g, "chat.completion")
	c.Choices = append(c.Choices, choice{Message: &openaiAnswer{Role: "assistant", Content: text}, FinishReason: openaiFinish(out)})
	c.Usage = newOpenaiUsage(out)
	return c
}

// openaiFinish says why a generation ended.
func openaiFinish(out actors.Outcome) *string {
	reason := "stop"
	if out.Reason == runtime.FinishLength {
		reason = "length"
	}
	return &reason
}

// openaiError is the body of an error, and the data of an error in a stream.
type openaiError struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    *string `json:"code"`
	} `json:"error"`
}

func (openai) errorBody(f failure, _ string) any {
	var e openaiError
	e.Error.Message = f.message
	e.Error.Type, e.Error.Code = openaiErrorType(f.status)
	if f.tokens {
		e.Error.Type = "tokens"
	}
	if f.param != "" {
		e.Error.Param = &f.param
	}
	if f.code != "" {
		e.Error.Code = &f.code
	}
	return e
}

// openaiErrorType names the error of a status as that API does, with the code that goes with the status, if there is one.
func openaiErrorType(status int) (kind string, code *string) {
	coded := func(s string) *string { return &s }
	switch status {
	case http.StatusUnauthorized:
		return "invalid_request_error", coded("invalid_api_key")
	case http.StatusTooManyRequests:
		return "requests", coded("rate_limit_exceeded")
	}
	if status < http.StatusInternalServerError {
		return "invalid_request_error", nil
	}
	return "server_error", nil
}
