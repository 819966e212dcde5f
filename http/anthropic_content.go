package http

import (
	"encoding/json"
	"strings"

	"troupe/runtime"
)

// anthropicReader turns the messages of the Anthropic dialect into those of templates, in order.
type anthropicReader struct {
	out      []message
	deferred map[string]function
	calls    map[string]string // tool_use id -> function name
}

// block is a content block of any type.
type block struct {
	Type      string          `json:"type"`
	Text      string          `json:"text"`
	Thinking  string          `json:"thinking"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   json.RawMessage `json:"content"`
	ToolName  string          `json:"tool_name"`
	Source    struct {
		Type string `json:"type"`
		Data string `json:"data"`
	} `json:"source"`
}

// content reads a string, or a list of blocks; a string is one text block. Absent content has none.
func content(path string, raw json.RawMessage) ([]block, error) {
	switch got := jsonType(raw); got {
	case "string":
		var text string
		if err := decodeField(path, raw, &text); err != nil {
			return nil, err
		}
		return []block{{Type: "text", Text: text}}, nil
	case "list":
		var raws []json.RawMessage
		if err := decodeField(path, raw, &raws); err != nil {
			return nil, err
		}
		blocks := make([]block, len(raws))
		for i := range raws {
			if err := decodeField(at(path, i), raws[i], &blocks[i]); err != nil {
				return nil, err
			}
		}
		return blocks, nil
	case "", "null":
		return nil, nil
	default:
		return nil, wrongType(path, "a string or a list of blocks", got)
	}
}

// system reads the system prompt of a request.
func (r *anthropicReader) system(raw json.RawMessage) error {
	blocks, err := content("system", raw)
	if err != nil {
		return err
	}
	var texts []string
	for i, b := range blocks {
		if b.Type != "text" {
			return unsupported(at("system", i), b.Type)
		}
		if !strings.HasPrefix(b.Text, billingHeader) {
			texts = append(texts, b.Text)
		}
	}
	if len(texts) > 0 {
		r.out = append(r.out, message{role: "system", text: lines(texts)})
	}
	return nil
}

// message reads one message.
func (r *anthropicReader) message(path string, raw json.RawMessage) error {
	var m struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	}
	if err := decodeField(path, raw, &m); err != nil {
		return err
	}
	path += ".content"
	if got := jsonType(m.Content); got == "" || got == "null" {
		return wrongType(path, "a string or a list of blocks", orAbsent(got))
	}
	blocks, err := content(path, m.Content)
	if err != nil {
		return err
	}
	switch m.Role {
	case "user", "system":
		return r.user(path, m.Role, blocks)
	case "assistant":
		return r.assistant(path, blocks)
	default:
		role := strings.TrimSuffix(path, "content") + "role"
		return runtime.InvalidParam(role, "%s must be user, assistant or system, not %s", role, textOf(m.Role))
	}
}

// user reads a message of the user or, in the middle of a conversation, of the system. Tool results become messages of their own, before the text.
func (r *anthropicReader) user(path, role string, blocks []block) error {
	var texts []string
	results := 0
	for i, b := range blocks {
		switch b.Type {
		case "tool_result":
			if err := r.result(at(path, i), b); err != nil {
				return err
			}
			results++
		default:
			text, err := r.text(at(path, i), b)
			if err != nil {
				return err
			}
			texts = append(texts, text)
		}
	}
	if len(texts) > 0 || results == 0 {
		r.out = append(r.out, message{role: role, text: lines(texts)})
	}
	return nil
}

// result reads what a tool returned.
func (r *anthropicReader) result(path string, b block) error {
	name, known := r.calls[b.ToolUseID]
	if !known {
		return runtime.InvalidParam(path+".tool_use_id", "%s.tool_use_id: there is no tool_use with the id %s before it", path, textOf(b.ToolUseID))
	}
	blocks, err := content(path+".content", b.Content)
	if err != nil {
		return err
	}
	texts := make([]string, len(blocks))
	for i := range blocks {
		// Errors name the block of the message: that is what Claude Code takes out.
		if texts[i], err = r.text(path, blocks[i]); err != nil {
			return err
		}
	}
	r.out = append(r.out, message{role: "tool", text: lines(texts), callID: b.ToolUseID, name: name})
	return nil
}

// text returns the text of a block of the user's side.
func (r *anthropicReader) text(path string, b block) (string, error) {
	switch {
	case b.Type == "text":
		return b.Text, nil
	case b.Type == "document" && b.Source.Type == "text":
		return b.Source.Data, nil
	case b.Type == "tool_reference":
		f, known := r.deferred[b.ToolName]
		if !known {
			return "", runtime.InvalidParam(path, "%s: there is no tool %s with defer_loading", path, textOf(b.ToolName))
		}
		return f.reference(), nil
	default:
		return "", badBlock(path, b.Type)
	}
}

// assistant reads a message of the model.
func (r *anthropicReader) assistant(path string, blocks []block) error {
	m := message{role: "assistant"}
	var texts, thoughts []string
	for i, b := range blocks {
		switch b.Type {
		case "text":
			texts = append(texts, b.Text)
		case "thinking":
			if b.Thinking != "" {
				thoughts = append(thoughts, b.Thinking)
			}
		case "redacted_thinking": // nobody can read it
		case "tool_use":
			p := at(path, i)
			if b.ID == "" || b.Name == "" {
				return runtime.InvalidParam(p, "%s: a tool_use needs an id and a name", p)
			}
			if got := jsonType(b.Input); got != "object" {
				return wrongType(p+".input", "an object", orAbsent(got))
			}
			r.calls[b.ID] = b.Name
			m.calls = append(m.calls, toolCall{id: b.ID, name: b.Name, arguments: b.Input})
		default:
			return badBlock(at(path, i), b.Type)
		}
	}
	m.text, m.reasoning = lines(texts), lines(thoughts)
	r.out = append(r.out, m)
	return nil
}

// badBlock is the error for a block that cannot be shown to the model.
func badBlock(path, kind string) error {
	switch kind {
	case "image", "document":
		return unsupported(path, kind)
	default:
		return runtime.InvalidParam(path+".type", "%s.type: blocks of type %s are not supported here", path, textOf(kind))
	}
}
