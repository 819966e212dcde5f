package http

import (
	"encoding/json"
	"strings"

	"troupe/runtime"
)

// conversation is what a request shows to the model, in the terms of chat templates, which are those of the OpenAI API. Both dialects decode to it.
type conversation struct {
	messages      []message
	tools         []json.RawMessage // objects {"type":"function","function":{...}}, keys in the client's order
	extra         json.RawMessage   // object of further template variables; may be empty
	continueFinal bool              // the answer continues the last message, which is the assistant's
}

// message is one turn. Roles are system, user, assistant and tool.
type message struct {
	role      string
	text      string
	reasoning string     // assistant: what it thought before the text
	calls     []toolCall // assistant
	callID    string     // tool: the call that it answers
	name      string     // tool: the function that was called; others: the speaker, if the client names one
}

// toolCall is a call that the assistant made.
type toolCall struct {
	id        string
	name      string
	arguments json.RawMessage // an object; a string if the model wrote something else
}

// checkStops returns an Invalid error, about the request field named param, for stop strings that cannot be served.
func checkStops(param string, stops []string) error {
	if len(stops) > runtime.MaxStops {
		return runtime.InvalidParam(param, "%s may have at most %d strings, not %d", param, runtime.MaxStops, len(stops))
	}
	for i, stop := range stops {
		if stop == "" || len(stop) > runtime.MaxStopSize {
			return runtime.InvalidParam(param, "%s: string %d has %d bytes; 1 to %d are allowed", param, i, len(stop), runtime.MaxStopSize)
		}
	}
	return nil
}

// checkMaxTokens returns the value of a max_tokens field, which is there and must be positive.
func checkMaxTokens(param string, n integer) (int, error) {
	if n < 1 {
		return 0, runtime.InvalidParam(param, "%s must be at least 1, not %d", param, n)
	}
	return int(n), nil
}

// unsupported is the error for input that the model cannot take, in the words that Claude Code knows: it sends the conversation again without it.
func unsupported(path, kind string) error {
	return runtime.InvalidParam(path, "%s.%s: this model does not support %s input", path, kind, kind)
}

// lines joins the pieces of a text that arrived as a list. A list of one piece and the piece alone are the same text, because clients send now one,
// now the other, and the prompt must not change.
func lines(pieces []string) string { return strings.Join(pieces, "\n") }
