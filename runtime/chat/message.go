package chat

// Message is one turn of a conversation. A field that is empty is not given to
// the template, except role and content.
type Message struct {
	// Role is "system", "user", "assistant", "tool" or what else the
	// template knows.
	Role string
	// Content is the text. It is ignored when Parts is not nil.
	Content string
	// Name of the speaker, or of the tool whose result this is.
	Name string
	// ToolCallID says which ToolCall a message of role tool answers.
	ToolCallID string
	// Reasoning is what the assistant thought. Templates see it as
	// reasoning_content, reasoning and thinking.
	Reasoning string
	// ToolCalls are the calls that an assistant message makes.
	ToolCalls []ToolCall
	// Parts is the content as a list such as {"type":"text","text":"..."}.
	Parts []Value
}

// ToolCall is a request of the assistant to run a tool.
type ToolCall struct {
	ID   string // empty: not given to the template
	Name string
	// Arguments is best the parsed object; templates that want text turn it
	// into JSON themselves.
	Arguments Value
}

// value is the message as templates see it. suffix is added to the end of the
// text; ok is false if there is no text to add it to.
func (m Message) value(suffix string) (v Value, ok bool) {
	content, ok := String(m.Content+suffix), true
	if m.Parts != nil {
		parts := append([]Value(nil), m.Parts...)
		if suffix != "" {
			ok = addToLastText(parts, suffix)
		}
		content = List(parts...)
	}
	out := NewMap().Set("role", String(m.Role)).Set("content", content)
	if m.Name != "" {
		out.Set("name", String(m.Name))
	}
	if m.ToolCallID != "" {
		out.Set("tool_call_id", String(m.ToolCallID))
	}
	if len(m.ToolCalls) > 0 {
		calls := make([]Value, len(m.ToolCalls))
		for i, call := range m.ToolCalls {
			calls[i] = call.value()
		}
		out.Set("tool_calls", List(calls...))
	}
	if m.Reasoning != "" {
		for _, name := range []string{"thinking", "reasoning", "reasoning_content"} {
			out.Set(name, String(m.Reasoning))
		}
	}
	return out.Value(), ok
}

func (c ToolCall) value() Value {
	out := NewMap()
	if c.ID != "" {
		out.Set("id", String(c.ID))
	}
	function := NewMap().Set("name", String(c.Name)).Set("arguments", c.Arguments)
	return out.Set("type", String("function")).Set("function", function.Value()).Value()
}

// addToLastText appends suffix to the last part that has text.
func addToLastText(parts []Value, suffix string) bool {
	for i := len(parts) - 1; i >= 0; i-- {
		text, ok := parts[i].Get("text")
		if !ok {
			continue
		}
		s, ok := text.AsString()
		if !ok {
			return false
		}
		changed := NewMap()
		old := parts[i].Map()
		for j := range old.Len() {
			key, v := old.Entry(j)
			changed.Set(key, v)
		}
		parts[i] = changed.Set("text", String(s+suffix)).Value()
		return true
	}
	return false
}
