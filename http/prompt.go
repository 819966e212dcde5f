package http

import (
	"encoding/json"

	"troupe/runtime"
	"troupe/runtime/chat"
)

// input gives the conversation the form that the template engine takes.
func (c conversation) input() (chat.Input, error) {
	in := chat.Input{
		Messages:            make([]chat.Message, len(c.messages)),
		AddGenerationPrompt: !c.continueFinal,
		ContinueFinal:       c.continueFinal,
	}
	var err error
	for i, m := range c.messages {
		if in.Messages[i], err = m.input(); err != nil {
			return in, err
		}
	}
	for i, raw := range c.tools {
		v, err := ordered(at("tools", i), raw)
		if err != nil {
			return in, err
		}
		in.Tools = append(in.Tools, v)
	}
	in.Extra, err = variables(c.extra)
	return in, err
}

func (m message) input() (chat.Message, error) {
	out := chat.Message{Role: m.role, Content: m.text, Reasoning: m.reasoning, ToolCallID: m.callID, Name: m.name}
	for _, c := range m.calls {
		arguments, err := ordered("messages", c.arguments)
		if err != nil {
			return out, err
		}
		out.ToolCalls = append(out.ToolCalls, chat.ToolCall{ID: c.id, Name: c.name, Arguments: arguments})
	}
	return out, nil
}

// variables reads chat_template_kwargs.
func variables(raw json.RawMessage) (map[string]chat.Value, error) {
	const param = "chat_template_kwargs"
	switch got := jsonType(raw); got {
	case "", "null":
		return nil, nil
	case "object":
	default:
		return nil, wrongType(param, "an object", got)
	}
	object, err := ordered(param, raw)
	if err != nil {
		return nil, err
	}
	vars := map[string]chat.Value{}
	for i := range object.Map().Len() {
		name, v := object.Map().Entry(i)
		vars[name] = v
	}
	return vars, nil
}

// ordered reads JSON with the order of keys and the form of numbers kept, because the model sees both.
func ordered(path string, raw json.RawMessage) (chat.Value, error) {
	v, err := chat.ParseJSON(raw)
	if err != nil {
		return v, &runtime.Error{Kind: runtime.Invalid, Param: path, Message: path + " has a value that cannot be shown to the model: " + err.Error()}
	}
	return v, nil
}
