package http

import (
	"bytes"
	"encoding/json"

	"troupe/runtime"
)

// anthropic is the dialect of /v1/messages.
type anthropic struct{}

// billingHeader begins a system block in which Claude Code tells its version and, in some versions, a value that changes with every request. The model
// has no use for it, and it would keep prompts from sharing a prefix.
const billingHeader = "x-anthropic-billing-header:"

type anthropicRequest struct {
	Model         string            `json:"model"`
	System        json.RawMessage   `json:"system"`
	Messages      []json.RawMessage `json:"messages"`
	MaxTokens     *integer          `json:"max_tokens"`
	StopSequences []string          `json:"stop_sequences"`
	Stream        bool              `json:"stream"`
	Tools         []json.RawMessage `json:"tools"`
	ToolChoice    struct {
		Type string `json:"type"`
	} `json:"tool_choice"`
	Metadata struct {
		UserID string `json:"user_id"`
	} `json:"metadata"`
	SessionID          string          `json:"session_id"`
	IgnoreEOS          bool            `json:"ignore_eos"`
	ChatTemplateKwargs json.RawMessage `json:"chat_template_kwargs"`
	samplingFields
}

// parse decodes the body of /v1/messages. Fields that it does not know are ignored, whatever the version and the betas that the headers ask for.
func (anthropic) parse(body []byte) (*call, error) {
	var r anthropicRequest
	if err := decodeBody(body, &r); err != nil {
		return nil, err
	}
	if r.MaxTokens == nil {
		return nil, runtime.InvalidParam("max_tokens", "max_tokens is required: say how many tokens to generate at most")
	}
	maxTokens, err := checkMaxTokens("max_tokens", *r.MaxTokens)
	if err != nil {
		return nil, err
	}
	return r.call(maxTokens)
}

// parseCount decodes the body of /v1/messages/count_tokens, which need not say max_tokens.
func (anthropic) parseCount(body []byte) (*call, error) {
	var r anthropicRequest
	if err := decodeBody(body, &r); err != nil {
		return nil, err
	}
	return r.call(1)
}

func (r *anthropicRequest) call(maxTokens int) (*call, error) {
	if err := checkStops("stop_sequences", r.StopSequences); err != nil {
		return nil, err
	}
	switch r.ToolChoice.Type {
	case "", "auto":
	case "none":
		r.Tools = nil
	default:
		return nil, runtime.InvalidParam("tool_choice", "tool_choice %s is not supported yet: use auto or none", textOf(r.ToolChoice.Type))
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
		stops:     r.StopSequences,
		ignoreEOS: r.IgnoreEOS,
		stream:    r.Stream,
		identity:  identityFields{SessionID: r.SessionID, UserID: r.Metadata.UserID},
	}, nil
}

func (r *anthropicRequest) conversation() (conversation, error) {
	if len(r.Messages) == 0 {
		return conversation{}, runtime.InvalidParam("messages", "messages must have at least one message")
	}
	tools, err := parseTools(r.Tools)
	if err != nil {
		return conversation{}, err
	}
	reader := anthropicReader{deferred: tools.deferred, calls: map[string]string{}}
	if err := reader.system(r.System); err != nil {
		return conversation{}, err
	}
	for i, raw := range r.Messages {
		if err := reader.message(at("messages", i), raw); err != nil {
			return conversation{}, err
		}
	}
	return conversation{
		messages:      reader.out,
		tools:         tools.shown,
		extra:         r.ChatTemplateKwargs,
		continueFinal: reader.out[len(reader.out)-1].role == "assistant",
	}, nil
}

// anthropicTools are the tools of a request in the form of templates.
type anthropicTools struct {
	shown    []json.RawMessage
	deferred map[string]function // by name; shown where a tool_reference names it
}

// function is a tool in the form of the OpenAI API.
type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

// tool wraps a function as that API does.
type tool struct {
	Type     string   `json:"type"`
	Function function `json:"function"`
}

// parseTools reads the tools of a request. Tools that run at Anthropic (web search, for one) have no schema; no model here can call them, so they are
// left out.
func parseTools(raws []json.RawMessage) (anthropicTools, error) {
	tools := anthropicTools{deferred: map[string]function{}}
	for i, raw := range raws {
		var t struct {
			Type         string          `json:"type"`
			Name         string          `json:"name"`
			Description  string          `json:"description"`
			InputSchema  json.RawMessage `json:"input_schema"`
			DeferLoading bool            `json:"defer_loading"`
		}
		path := at("tools", i)
		if err := decodeField(path, raw, &t); err != nil {
			return tools, err
		}
		if t.Type != "" && t.Type != "custom" {
			continue
		}
		if t.Name == "" {
			return tools, runtime.InvalidParam(path+".name", "%s.name is required", path)
		}
		if got := jsonType(t.InputSchema); got != "object" {
			return tools, wrongType(path+".input_schema", "an object", orAbsent(got))
		}
		f := function{Name: t.Name, Description: t.Description, Parameters: t.InputSchema}
		if t.DeferLoading {
			tools.deferred[f.Name] = f
			continue
		}
		tools.shown = append(tools.shown, mustEncode(tool{Type: "function", Function: f}))
	}
	return tools, nil
}

// orAbsent names the type of a value that may not be there.
func orAbsent(jsonType string) string {
	if jsonType == "" {
		return "absent"
	}
	return jsonType
}

// reference is how a tool that was loaded late is shown, in the place where it was loaded: in the list of tools it would change the prompt from the
// beginning. The form is the one that Claude Code's ToolSearch promises to the model.
func (f function) reference() string {
	inner := mustEncode(struct {
		Description string          `json:"description"`
		Name        string          `json:"name"`
		Parameters  json.RawMessage `json:"parameters"`
	}{f.Description, f.Name, f.Parameters})
	return "<functions><function>" + string(inner) + "</function></functions>"
}

// mustEncode encodes a value that was made of decoded JSON.
func mustEncode(v any) json.RawMessage {
	var b bytes.Buffer
	if err := encode(&b, v); err != nil {
		panic("decoded JSON does not encode: " + err.Error())
	}
	return bytes.TrimSpace(b.Bytes())
}
