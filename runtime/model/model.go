// Package model is the text side of a model: how a conversation becomes tokens, which tokens end a turn, and what the model's authors recommend for
// sampling. The arithmetic side is [runtime.Engine].
package model

import (
	"context"
	"errors"
	"slices"
	"time"

	"troupe/runtime"
	"troupe/runtime/chat"
	"troupe/runtime/tokenizer"
)

// Model is immutable after it was made and safe for concurrent use.
type Model struct {
	ID        string    // what clients see in /v1/models
	Created   time.Time // the time of the weights, or of loading
	Tokenizer *tokenizer.Tokenizer
	Template  *chat.Template // nil: the folder has none, and the chat endpoints refuse
	BOS, EOS  string         // as the template's bos_token and eos_token
	StopIDs   []int32        // tokens that end a turn, sorted
	Context   int            // most positions, prompt and output together
	Defaults  runtime.Sampling
}

// Stops reports whether a token ends the turn.
func (m *Model) Stops(id int32) bool {
	_, ok := slices.BinarySearch(m.StopIDs, id)
	return ok
}

// Render returns the prompt as text.
func (m *Model) Render(ctx context.Context, in chat.Input) (string, error) {
	if m.Template == nil {
		return "", runtime.Errorf(runtime.Invalid, "model %s has no chat template, so it cannot take messages", m.ID)
	}
	in.BOS, in.EOS = m.BOS, m.EOS
	text, err := m.Template.Render(ctx, in)
	var failed *chat.Error
	switch {
	case errors.As(err, &failed):
		// Waiting does not help and other conversations pass, so it is for the client to change this one.
		e := runtime.InvalidParam("messages", "the chat template of %s refuses this conversation: %s", m.ID, failed.Message)
		e.Err = err
		return "", e
	case errors.Is(err, chat.ErrContinue):
		return "", runtime.InvalidParam("messages", "%s", err)
	}
	return text, err
}

// Prompt returns the prompt as token ids. The template writes its own BOS, so the tokenizer adds none.
func (m *Model) Prompt(ctx context.Context, in chat.Input) ([]int32, error) {
	text, err := m.Render(ctx, in)
	if err != nil {
		return nil, err
	}
	return m.Tokenizer.Encode(text, false), nil
}
