package http

import "troupe/actors"

// anthropicEncoder writes message_start, one text block of deltas with pings between them, message_delta and message_stop.
//
// The block is opened with its first text, so an empty answer has none.
type anthropicEncoder struct {
	w    *sse
	g    *generation
	open bool // the text block
}

// event is the data of the events that have fields of their own.
type (
	anthropicStart struct {
		Type    string           `json:"type"`
		Message anthropicMessage `json:"message"`
	}
	anthropicBlockStart struct {
		Type  string        `json:"type"`
		Index int           `json:"index"`
		Block anthropicText `json:"content_block"`
	}
	anthropicDelta struct {
		Type  string        `json:"type"`
		Index int           `json:"index"`
		Delta anthropicText `json:"delta"`
	}
	anthropicBlockStop struct {
		Type  string `json:"type"`
		Index int    `json:"index"`
	}
	anthropicEnd struct {
		Type  string `json:"type"`
		Delta struct {
			StopReason   *string `json:"stop_reason"`
			StopSequence *string `json:"stop_sequence"`
		} `json:"delta"`
		Usage anthropicUsage `json:"usage"`
	}
	anthropicBare struct {
		Type string `json:"type"`
	}
)

func (anthropic) encoder(w *sse, g *generation) encoder { return &anthropicEncoder{w: w, g: g} }

func (e *anthropicEncoder) start(cached int) {
	m := anthropic{}.message(e.g, newAnthropicUsage(e.g.tokens, cached, 0))
	e.w.event("message_start", anthropicStart{Type: "message_start", Message: m})
}

func (e *anthropicEncoder) text(s string) {
	if !e.open {
		e.open = true
		e.w.event("content_block_start", anthropicBlockStart{Type: "content_block_start", Block: anthropicText{Type: "text"}})
	}
	e.w.event("content_block_delta", anthropicDelta{Type: "content_block_delta", Delta: anthropicText{Type: "text_delta", Text: s}})
}

func (e *anthropicEncoder) ping() { e.w.event("ping", anthropicBare{Type: "ping"}) }

// nudge sends an empty piece of text.
func (e *anthropicEncoder) nudge() { e.text("") }

func (e *anthropicEncoder) finish(out actors.Outcome) {
	if e.open {
		e.w.event("content_block_stop", anthropicBlockStop{Type: "content_block_stop"})
	}
	end := anthropicEnd{Type: "message_delta", Usage: newAnthropicUsage(out.PromptTokens, out.CachedTokens, out.OutputTokens)}
	end.Delta.StopReason, end.Delta.StopSequence = anthropicStop(e.g, out)
	e.w.event("message_delta", end)
	e.w.event("message_stop", anthropicBare{Type: "message_stop"})
}

func (e *anthropicEncoder) fail(f failure) {
	e.w.event("error", anthropic{}.errorBody(f, e.g.requestID))
}
