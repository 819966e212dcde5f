package http

import (
	"encoding/json"

	"troupe/actors"
)

// openaiEncoder writes a chunk with the role, a chunk for each piece of text, one with the finish reason, one with the usage if the client asked for
// it, and [DONE]. Signs of life are comments.
type openaiEncoder struct {
	w *sse
	g *generation
}

// openaiDelta is what a chunk adds to the message.
type openaiDelta struct {
	Role    string  `json:"role,omitempty"`
	Content *string `json:"content,omitempty"`
}

func (openai) encoder(w *sse, g *generation) encoder { return openaiEncoder{w: w, g: g} }

func (e openaiEncoder) chunk(choices []choice, usage json.RawMessage) {
	c := openai{}.completion(e.g, "chat.completion.chunk")
	c.Choices = choices
	if e.g.usage {
		c.Usage = usage
	}
	e.w.event("", c)
}

func (e openaiEncoder) delta(d openaiDelta, finish *string) {
	e.chunk([]choice{{Delta: &d, FinishReason: finish}}, json.RawMessage("null"))
}

func (e openaiEncoder) start(int) {
	empty := ""
	e.delta(openaiDelta{Role: "assistant", Content: &empty}, nil)
}

func (e openaiEncoder) text(s string) { e.delta(openaiDelta{Content: &s}, nil) }

func (e openaiEncoder) ping() { e.w.raw(": ping") }

// nudge does nothing: what reads this dialect has no timer that comments do not wind up.
func (e openaiEncoder) nudge() {}

func (e openaiEncoder) finish(out actors.Outcome) {
	e.delta(openaiDelta{}, openaiFinish(out))
	if e.g.usage {
		e.chunk([]choice{}, newOpenaiUsage(out))
	}
	e.w.raw("data: [DONE]")
}

func (e openaiEncoder) fail(f failure) { e.w.event("", openai{}.errorBody(f, e.g.requestID)) }
