package http

import (
	"net/http"

	"troupe/actors"
	"troupe/runtime"
)

// anthropicMessage is the answer of /v1/messages; a stream begins with one that is empty.
type anthropicMessage struct {
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	Role         string          `json:"role"`
	Model        string          `json:"model"`
	Content      []anthropicText `json:"content"`
	StopReason   *string         `json:"stop_reason"`
	StopSequence *string         `json:"stop_sequence"`
	Usage        anthropicUsage  `json:"usage"`
}

type anthropicText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// anthropicUsage counts tokens. The whole prompt is the sum of the three input fields.
type anthropicUsage struct {
	Input         int `json:"input_tokens"` // computed, not read from the cache
	CacheCreation int `json:"cache_creation_input_tokens"`
	CacheRead     int `json:"cache_read_input_tokens"`
	Output        int `json:"output_tokens"`
}

func newAnthropicUsage(prompt, cached, output int) anthropicUsage {
	return anthropicUsage{Input: prompt - cached, CacheRead: cached, Output: output}
}

// message is the head of an answer.
func (anthropic) message(g *generation, usage anthropicUsage) anthropicMessage {
	return anthropicMessage{ID: "msg_" + g.id, Type: "message", Role: "assistant", Model: g.served, Content: []anthropicText{}, Usage: usage}
}

func (a anthropic) answer(g *generation, text string, out actors.Outcome) any {
	m := a.message(g, newAnthropicUsage(out.PromptTokens, out.CachedTokens, out.OutputTokens))
	if text != "" {
		m.Content = append(m.Content, anthropicText{Type: "text", Text: text})
	}
	m.StopReason, m.StopSequence = anthropicStop(g, out)
	return m
}

// anthropicStop says why a generation ended; the second result is the stop string, if that was it.
func anthropicStop(g *generation, out actors.Outcome) (reason, sequence *string) {
	name := "end_turn"
	switch out.Reason {
	case runtime.FinishString:
		name, sequence = "stop_sequence", &out.StopString
	case runtime.FinishLength:
		name = "max_tokens"
		if g.clipped {
			name = "model_context_window_exceeded"
		}
	}
	return &name, sequence
}

// anthropicError is the body of an error, and the data of an error event.
type anthropicError struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
	} `json:"error"`
	RequestID string `json:"request_id"`
}

func (anthropic) errorBody(f failure, requestID string) any {
	e := anthropicError{Type: "error", RequestID: requestID}
	e.Error.Type, e.Error.Message = anthropicErrorType(f.status), f.message
	return e
}

// anthropicErrorType names the error of a status as that API does.
func anthropicErrorType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestTimeout:
		return "timeout_error"
	case http.StatusConflict:
		return "conflict_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	}
	if status < http.StatusInternalServerError {
		return "invalid_request_error"
	}
	return "api_error"
}
