package runtime

import "math"

// Limits of a request's sampling fields.
const (
	MaxTopK     = 1024
	MaxStops    = 64   // stop strings of one request
	MaxStopSize = 1024 // bytes of one stop string
	MaxBias     = 4096 // entries of a logit bias
)

// Sampling says how a token is drawn from the logits. The zero value is greedy without penalties.
//
// The order is that of Hugging Face and vLLM: repetition, frequency and presence penalties and the bias on the raw logits; then temperature; then
// top-k, top-p and min-p on what is left; then one draw.
type Sampling struct {
	Temperature       float64           // 0 is greedy
	TopK              int               // 0 is off
	TopP              float64           // 0 and 1 are off
	MinP              float64           // 0 is off
	Seed              uint64            // of the request's own generator; see NewSampler
	RepetitionPenalty float64           // 0 and 1 are off; applies to the prompt and the output
	PresencePenalty   float64           // applies to the output
	FrequencyPenalty  float64           // applies to the output
	Bias              map[int32]float32 // added to the logits of these tokens
}

// Validate returns an Invalid error that names the first field out of its range, in the spelling of the HTTP dialects.
func (s Sampling) Validate(vocab int) error {
	checks := []struct {
		param    string
		v        float64
		min, max float64
	}{
		{"temperature", s.Temperature, 0, 100},
		{"top_p", s.TopP, 0, 1},
		{"min_p", s.MinP, 0, 1},
		{"repetition_penalty", s.RepetitionPenalty, 0, 10},
		{"presence_penalty", s.PresencePenalty, -2, 2},
		{"frequency_penalty", s.FrequencyPenalty, -2, 2},
	}
	for _, c := range checks {
		if math.IsNaN(c.v) || c.v < c.min || c.v > c.max {
			return InvalidParam(c.param, "%s must be between %g and %g, not %g", c.param, c.min, c.max, c.v)
		}
	}
	if s.TopK < 0 || s.TopK > MaxTopK {
		return InvalidParam("top_k", "top_k must be between 0 (off) and %d, not %d", MaxTopK, s.TopK)
	}
	if len(s.Bias) > MaxBias {
		return InvalidParam("logit_bias", "logit_bias may have at most %d entries, not %d", MaxBias, len(s.Bias))
	}
	for id, b := range s.Bias {
		if id < 0 || int(id) >= vocab {
			return InvalidParam("logit_bias", "logit_bias names token %d, and the vocabulary ends at %d", id, vocab-1)
		}
		if b != b || b < -100 || b > 100 {
			return InvalidParam("logit_bias", "logit_bias of token %d must be between -100 and 100, not %g", id, b)
		}
	}
	return nil
}

// FinishReason says why a generation ended.
type FinishReason string

// The reasons for which a generation ends well.
const (
	FinishStop   FinishReason = "stop"   // the model ended its turn
	FinishString FinishReason = "string" // a stop string of the request appeared
	FinishLength FinishReason = "length" // max_tokens, or the end of the context
)
