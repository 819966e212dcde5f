package http

import (
	"encoding/json"
	"math/rand/v2"
	"strconv"

	"troupe/runtime"
)

// samplingFields are the sampling fields of a request; nil is for what the client left to the model.
type samplingFields struct {
	Temperature       *float64 `json:"temperature"`
	TopP              *float64 `json:"top_p"`
	TopK              *integer `json:"top_k"`
	MinP              *float64 `json:"min_p"`
	Seed              *integer `json:"seed"`
	RepetitionPenalty *float64 `json:"repetition_penalty"`
	PresencePenalty   *float64 `json:"presence_penalty"`
	FrequencyPenalty  *float64 `json:"frequency_penalty"`
	LogitBias         bias     `json:"logit_bias"`
}

// over returns the model's defaults with the request's fields over them. Without a seed it takes a random one.
func (f samplingFields) over(defaults runtime.Sampling) runtime.Sampling {
	out := defaults
	set := func(field *float64, v *float64) {
		if v != nil {
			*field = *v
		}
	}
	set(&out.Temperature, f.Temperature)
	set(&out.TopP, f.TopP)
	set(&out.MinP, f.MinP)
	set(&out.RepetitionPenalty, f.RepetitionPenalty)
	set(&out.PresencePenalty, f.PresencePenalty)
	set(&out.FrequencyPenalty, f.FrequencyPenalty)
	if f.TopK != nil {
		out.TopK = int(max(*f.TopK, 0)) // -1 is off, as in vLLM
	}
	if f.LogitBias != nil {
		out.Bias = f.LogitBias
	}
	out.Seed = rand.Uint64()
	if f.Seed != nil {
		out.Seed = uint64(*f.Seed)
	}
	return out
}

// bias is a logit_bias: an object from token ids, as strings, to numbers.
type bias map[int32]float32

// UnmarshalJSON implements [json.Unmarshaler].
func (b *bias) UnmarshalJSON(raw []byte) error {
	var byName map[string]float32
	if err := json.Unmarshal(raw, &byName); err != nil || byName == nil {
		return err
	}
	*b = make(bias, len(byName))
	for name, v := range byName {
		id, err := strconv.ParseInt(name, 10, 32)
		if err != nil {
			return runtime.InvalidParam("logit_bias", "logit_bias has the key %s, which is not a token id", textOf(name))
		}
		(*b)[int32(id)] = v
	}
	return nil
}
