package simulation

import (
	"fmt"
	"slices"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
)

// Tokens with a meaning of their own.
const (
	endToken   = 7   // ends the turn
	panicToken = 99  // the decoder panics on it, and with it the agent
	failToken  = 200 // the engine fails a step that computes it
	crashToken = 201 // the engine panics in such a step
)

// hex writes a token as two digits, so that a stop string can span tokens.
type hex struct{}

func (hex) Push(id int32) string {
	if id == panicToken {
		panic("a token that the decoder cannot stand")
	}
	return fmt.Sprintf("%02x", id)
}

func (hex) Flush() string { return "" }

// answer is what a request gets when nothing from outside interferes.
type answer struct {
	text   string
	reason runtime.FinishReason
	tokens int
	fails  bool // by a token of its own
}

// alone computes a request's answer with an engine of its own and none of the actors.
func alone(r actors.Request, shape enginetest.Options, limits runtime.Limits) (a answer) {
	shape.BeforeStep = nil
	shape.Blocks = limits.Positions()/shape.BlockTokens + 1
	engine := enginetest.NewFake(shape)
	lease := make([]runtime.BlockID, shape.Blocks)
	for i := range lease {
		lease[i] = runtime.BlockID(i)
	}
	stops, err := runtime.NewStopMatcher(r.Stops)
	if err != nil {
		panic(err)
	}
	sampler := runtime.NewSampler(r.Sampling, r.Prompt)
	start, tokens := 0, r.Prompt
	for left := limits.Outputs(len(r.Prompt), r.MaxTokens); ; left-- {
		if left == 0 {
			a.reason = runtime.FinishLength
			break
		}
		if poisoned(tokens) {
			a.fails = true
			return a
		}
		res, err := engine.Step([]runtime.Row{{Blocks: lease, Start: start, Tokens: tokens, Want: sampler.Want()}})
		if err != nil {
			panic(err)
		}
		start += len(tokens)
		next := sampler.Next(res[0])
		tokens = []int32{next}
		a.tokens++
		if next == endToken && !r.IgnoreEOS {
			a.reason = runtime.FinishStop
			break
		}
		if next == panicToken {
			a.fails = true
			return a
		}
		text, found := stops.Push(hex{}.Push(next))
		a.text += text
		if found != "" {
			a.reason = runtime.FinishString
			return a
		}
	}
	a.text += stops.Flush()
	return a
}

func poisoned(tokens []int32) bool {
	return slices.Contains(tokens, failToken) || slices.Contains(tokens, crashToken)
}
