package http

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"troupe/actors"
)

// mark stands in for a text while it is looked for where the template puts it. It has nothing that templates trim or rewrite.
const mark = "<<<TROUPE-MARK>>>"

// cacheMiss is the value of X-Cache-Miss: why a prompt was not cached further, and from which token on it was not. It is empty if nothing was missed. Where the
// tokens differ from those that the agent knew it says in which part of the request: system, tools or messages.
func (v *service) cacheMiss(ctx context.Context, in *call, prompt []int32, m actors.Miss) string {
	if m.Why == "" {
		return ""
	}
	why := strings.ReplaceAll(m.Why, " ", "-")
	if m.Why == actors.MissTokens {
		why = v.differs(ctx, in.chat, prompt, m.Position)
	}
	return fmt.Sprintf("%s; position=%d", why, m.Position)
}

// differs says which part of a conversation a token of its prompt belongs to.
func (v *service) differs(ctx context.Context, talk conversation, prompt []int32, position int) string {
	end := len(v.model.Tokenizer.Decode(prompt[:min(position+1, len(prompt))], false))
	first := slices.IndexFunc(talk.messages, func(m message) bool { return m.role != "system" })
	if begin, ok := v.begins(ctx, talk, first); !ok || end > begin {
		return "messages"
	}
	if len(talk.tools) == 0 {
		return "system"
	}
	// Templates put the tools before the system prompt, behind it, or around it.
	if first > 0 {
		begin, ok := v.begins(ctx, talk, 0)
		if ok && end > begin && end <= begin+len(strings.TrimSpace(talk.messages[0].text)) {
			return "system"
		}
	}
	return "tools"
}

// begins returns where the text of a message begins in the rendered prompt.
func (v *service) begins(ctx context.Context, talk conversation, i int) (offset int, ok bool) {
	if i < 0 {
		return 0, false
	}
	talk.messages = slices.Clone(talk.messages)
	talk.messages[i].text = mark
	input, err := talk.input()
	if err != nil {
		return 0, false
	}
	text, err := v.model.Render(ctx, input)
	if err != nil {
		return 0, false
	}
	offset = strings.Index(text, mark)
	return offset, offset >= 0
}
