package http

import (
	"encoding/json"

	"troupe/runtime"
)

// openaiMessage reads one message. calls collects the names of the functions that were called, by call id.
func openaiMessage(path string, raw json.RawMessage, calls map[string]string) (message, error) {
	var m struct {
		Role             string            `json:"role"`
		Content          json.RawMessage   `json:"content"`
		Name             string            `json:"name"`
		Reasoning        string            `json:"reasoning"`
		ReasoningContent string            `json:"reasoning_content"`
		ToolCalls        []json.RawMessage `json:"tool_calls"`
		ToolCallID       string            `json:"tool_call_id"`
	}
	if err := decodeField(path, raw, &m); err != nil {
		return message{}, err
	}
	out := message{role: m.Role, name: m.Name}
	switch m.Role {
	case "user", "system":
	case "developer": // what newer clients call the system
		out.role = "system"
	case "assistant":
		out.reasoning = m.ReasoningContent
		if out.reasoning == "" {
			out.reasoning = m.Reasoning
		}
		for i, raw := range m.ToolCalls {
			c, err := openaiCall(at(path+".tool_calls", i), raw)
			if err != nil {
				return message{}, err
			}
			calls[c.id] = c.name
			out.calls = append(out.calls, c)
		}
	case "tool":
		if m.ToolCallID == "" {
			return message{}, runtime.InvalidParam(path+".tool_call_id", "%s.tool_call_id is required in a message of the tool", path)
		}
		out.callID = m.ToolCallID
		if out.name == "" {
			out.name = calls[m.ToolCallID]
		}
	default:
		return message{}, runtime.InvalidParam(path+".role", "%s.role must be system, developer, user, assistant or tool, not %s", path, textOf(m.Role))
	}
	if got := jsonType(m.Content); (got == "" || got == "null") && m.Role != "assistant" {
		return message{}, wrongType(path+".content", "a string or a list of parts", orAbsent(got))
	}
	var err error
	out.text, err = openaiText(path+".content", m.Content)
	return out, err
}

// openaiText reads the content of a message: a string, a list of parts, or nothing.
func openaiText(path string, raw json.RawMessage) (text string, err error) {
	switch got := jsonType(raw); got {
	case "", "null":
		return "", nil
	case "string":
		err = decodeField(path, raw, &text)
		return text, err
	case "list":
	default:
		return "", wrongType(path, "a string or a list of parts", got)
	}
	var parts []json.RawMessage
	if err := decodeField(path, raw, &parts); err != nil {
		return "", err
	}
	texts := make([]string, len(parts))
	for i, raw := range parts {
		var p struct {
			Type    string `json:"type"`
			Text    string `json:"text"`
			Refusal string `json:"refusal"`
		}
		if err := decodeField(at(path, i), raw, &p); err != nil {
			return "", err
		}
		switch p.Type {
		case "text":
			texts[i] = p.Text
		case "refusal":
			texts[i] = p.Refusal
		case "image_url":
			return "", unsupported(at(path, i), "image")
		case "input_audio":
			return "", unsupported(at(path, i), "audio")
		default:
			return "", runtime.InvalidParam(at(path, i)+".type", "%s.type: parts of type %s are not supported", at(path, i), textOf(p.Type))
		}
	}
	return lines(texts), nil
}

// openaiCall reads a call of the assistant.
func openaiCall(path string, raw json.RawMessage) (toolCall, error) {
	var c struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	}
	if err := decodeField(path, raw, &c); err != nil {
		return toolCall{}, err
	}
	if c.Function.Name == "" {
		return toolCall{}, runtime.InvalidParam(path+".function.name", "%s.function.name is required", path)
	}
	out := toolCall{id: c.ID, name: c.Function.Name, arguments: json.RawMessage(c.Function.Arguments)}
	switch {
	case c.Function.Arguments == "":
		out.arguments = json.RawMessage("{}")
	case !json.Valid(out.arguments) || jsonType(out.arguments) != "object" || checkText(out.arguments) != nil:
		// Not what a template wants; but it is what a model once wrote, and the conversation must be able to go on.
		out.arguments = mustEncode(c.Function.Arguments)
	}
	return out, nil
}
