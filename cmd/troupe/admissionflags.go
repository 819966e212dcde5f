package main

import (
	"errors"
	"fmt"
	"time"

	"troupe/actors"
)

// admissionFlags say how many requests run and wait, and how they share a step.
type admissionFlags struct {
	MaxBatch       int           `placeholder:"N" help:"Most rows of a step; 0 is the system's choice."`
	MaxQueue       int           `placeholder:"N" help:"Most requests that wait for room, beyond which they are refused with 429; 0 is the system's choice."`
	MaxQueueTokens int           `placeholder:"N" help:"Most prompt tokens that wait to be computed, beyond which requests are refused with 429; 0 is the system's choice."`
	PrefillChunk   int           `placeholder:"N" help:"Most prompt tokens of a step; 0 is the system's choice."`
	MaxGap         time.Duration `default:"200ms" placeholder:"TIME" help:"Longest gap between the tokens of an answer: prompts beside it are computed in parts that fit. 0 is no limit (${default})."`
}

func (f *admissionFlags) validate() error {
	for _, n := range []struct {
		flag  string
		value int
	}{{"max-batch", f.MaxBatch}, {"max-queue", f.MaxQueue}, {"max-queue-tokens", f.MaxQueueTokens}, {"prefill-chunk", f.PrefillChunk}} {
		if n.value < 0 {
			return fmt.Errorf("--%s must not be negative", n.flag)
		}
	}
	if f.MaxGap < 0 {
		return errors.New("--max-gap must not be negative")
	}
	return nil
}

// admit puts the settings into the system's.
func (f *admissionFlags) admit(cfg *actors.Config) {
	cfg.MaxBatch, cfg.MaxQueue, cfg.MaxQueueTokens, cfg.PrefillChunk = f.MaxBatch, f.MaxQueue, f.MaxQueueTokens, f.PrefillChunk
	cfg.MaxGap = f.MaxGap
	if f.MaxGap == 0 {
		cfg.MaxGap = -1
	}
}
