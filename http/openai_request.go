package http

import (
	"encoding/json"

	"troupe/runtime"
)

// openai is the dialect of /v1/chat/completions.
type openai struct{}

type openaiRequest struct {
	Model               string            `json:"model"`
	Messages            []json.RawMessage `json:"messages"`
	MaxTokens           *integer          `json:"max_tokens"`
	MaxCompletionTokens *integer          `json:"max_completion_tokens"`
	N                   *integer          `json:"n"`
	Stop                json.RawMessage   `json:"stop"`
	Stream              bool              `json:"stream"`
	StreamOptions       struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	Tools          []json.RawMessage `json:"tools"`
	ToolChoice     json.RawMessage   `json:"tool_choice"`
	ResponseFormat struct {
		Type string `json:"type"`
	} `json:"response_format"`
	Logprobs             bool            `json:"logprobs"`
	IgnoreEOS            bool            `json:"ignore_eos"`
	SessionID            string          `json:"session_id"`
	ChatTemplateKwargs   json.RawMessage `json:"chat_template_kwargs"`
	ContinueFinalMessage bool            `json:"continue_final_message"`
	samplingFields
}

// parse decodes the body of /v1/chat/completions. Fields that it does not know are ignored.
func (openai) parse(body []byte) (*call, error) {
	var r openaiRequest
	if err := decodeBody(body, &r); err != nil {
		return nil, err
	}
	if err := r.checkSupported(); err != nil {
		return nil, err
	}
	maxTokens, err := r.maxTokens()
	if err != nil {
		return nil, err
	}
	stops, err := r.stops()
	if err != nil {
		return nil, err
	}
	talk, err := r.conversation()
	if err != nil {
		return nil, err
	}
	return &call{
		model:     r.Model,
		chat:      talk,
		sampling:  r.samplingFields,
		maxTokens: maxTokens,
		stops:     stops,
		ignoreEOS: r.IgnoreEOS,
		stream:    r.Stream,
		usage:     r.StreamOptions.IncludeUsage,
		identity:  identityFields{SessionID: r.SessionID},
	}, nil
}

// checkSupported refuses what would change the answer and is not there yet.
func (r *openaiRequest) checkSupported() error {
	switch f := r.ResponseFormat.Type; {
	case r.N != nil && *r.N != 1:
		return runtime.InvalidParam("n", "n must be 1, not %d: several choices are not supported yet, so send several requests", *r.N)
	case r.Logprobs:
		return runtime.InvalidParam("logprobs", "logprobs are not supported yet: leave the field out")
	case f != "" && f != "text":
		return runtime.InvalidParam("response_format", "response_format %s is not supported yet: ask for it in the prompt, and leave the field out", textOf(f))
	}
	switch got := jsonType(r.ToolChoice); got {
	case "", "null":
		return nil
	case "string":
		var choice string
		if err := decodeField("tool_choice", r.ToolChoice, &choice); err != nil {
			return err
		}
		switch choice {
		case "auto":
			return nil
		case "none":
			r.Tools = nil
			return nil
		}
		return runtime.InvalidParam("tool_choice", "tool_choice %s is not supported yet: use auto or none", textOf(choice))
	default:
		return runtime.InvalidParam("tool_choice", "tool_choice cannot name a tool yet: use auto or none")
	}
}

// maxTokens returns 0 if the request does not limit the answer.
func (r *openaiRequest) maxTokens() (int, error) {
	switch {
	case r.MaxCompletionTokens != nil:
		return checkMaxTokens("max_completion_tokens", *r.MaxCompletionTokens)
	case r.MaxTokens != nil:
		return checkMaxTokens("max_tokens", *r.MaxTokens)
	default:
		return 0, nil
	}
}

// stops reads a string, or a list of strings.
func (r *openaiRequest) stops() (stops []string, err error) {
	switch got := jsonType(r.Stop); got {
	case "", "null":
		return nil, nil
	case "string":
		stops = make([]string, 1)
		err = decodeField("stop", r.Stop, &stops[0])
	case "list":
		err = decodeField("stop", r.Stop, &stops)
	default:
		err = wrongType("stop", "a string or a list of strings", got)
	}
	if err != nil {
		return nil, err
	}
	return stops, checkStops("stop", stops)
}

func (r *openaiRequest) conversation() (conversation, error) {
	if len(r.Messages) == 0 {
		return conversation{}, runtime.InvalidParam("messages", "messages must have at least one message")
	}
	talk := conversation{extra: r.ChatTemplateKwargs, continueFinal: r.ContinueFinalMessage}
	for i, raw := range r.Tools {
		if err := checkTool(at("tools", i), raw); err != nil {
			return talk, err
		}
		talk.tools = append(talk.tools, raw)
	}
	calls := map[string]string{}
	for i, raw := range r.Messages {
		m, err := openaiMessage(at("messages", i), raw, calls)
		if err != nil {
			return talk, err
		}
		talk.messages = append(talk.messages, m)
	}
	if last := talk.messages[len(talk.messages)-1]; talk.continueFinal && last.role != "assistant" {
		return talk, runtime.InvalidParam("continue_final_message", "continue_final_message needs a last message of the assistant, not of the %s", last.role)
	}
	return talk, nil
}

// checkTool returns an Invalid error for what is not a function tool.
func checkTool(path string, raw json.RawMessage) error {
	var t struct {
		Type     string `json:"type"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	if err := decodeField(path, raw, &t); err != nil {
		return err
	}
	if t.Type != "function" || t.Function.Name == "" {
		return runtime.InvalidParam(path, "%s must be of type function and have a function.name", path)
	}
	return nil
}
