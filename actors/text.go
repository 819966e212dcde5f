package actors

import "troupe/runtime/model"

// Decoder turns the tokens of one answer into text, piece by piece. It is used by one goroutine at a time.
type Decoder interface {
	// Push takes the next token and returns the text that became certain: never half a character.
	Push(id int32) string
	// Flush returns what is left.
	Flush() string
}

// modelDecoder returns a maker of decoders for the model's tokenizer. Special tokens give no text.
func modelDecoder(m *model.Model) func() Decoder {
	return func() Decoder { return m.Tokenizer.Stream(true) }
}
