package engine

import (
	"errors"
	"fmt"
	"math"
)

// ropeConfig is rope_scaling, or rope_parameters of transformers 5, which nests
// rope_theta with it. Numbers are float64 because files write 8192 and 8192.0.
type ropeConfig struct {
	Type            string       `json:"type"`
	RopeType        string       `json:"rope_type"`
	Theta           *float64     `json:"rope_theta"`
	Factor          *float64     `json:"factor"`
	Partial         *float64     `json:"partial_rotary_factor"`
	OriginalMax     *float64     `json:"original_max_position_embeddings"`
	LowFreq         *float64     `json:"low_freq_factor"`
	HighFreq        *float64     `json:"high_freq_factor"`
	BetaFast        *float64     `json:"beta_fast"`
	BetaSlow        *float64     `json:"beta_slow"`
	MScale          *float64     `json:"mscale"`
	MScaleAllDim    *float64     `json:"mscale_all_dim"`
	AttentionFactor *float64     `json:"attention_factor"`
	Truncate        *bool        `json:"truncate"`
	LongFactor      oneOrMany    `json:"long_factor"`
	FullAttention   *presentOnly `json:"full_attention"`
}

// ropeInput is everything a scaling rule may look at.
type ropeInput struct {
	dims        int
	theta       float64
	maxPosition int
	originalMax *float64 // the top-level key, which phi-style files use
	scaling     ropeConfig
}

// newRope turns the configuration into frequencies, after mlx-lm's rope_utils
// and, where that ignores a key, after transformers.
func newRope(in ropeInput) (*Rope, error) {
	if !(in.theta > 0) || math.IsInf(in.theta, 0) {
		return nil, fmt.Errorf("rope_theta is %g, want a positive number", in.theta)
	}
	if in.scaling.FullAttention != nil {
		return nil, errors.New("rope_parameters per layer type are not supported")
	}
	if p := in.scaling.Partial; p != nil && *p != 1 {
		return nil, fmt.Errorf("partial_rotary_factor %g is not supported, only 1", *p)
	}
	kind := in.scaling.Type
	if kind == "" {
		kind = in.scaling.RopeType
	}
	if kind == "" {
		kind = "default"
	}
	r := &Rope{Kind: kind, Multiplier: 1, InvFreq: inverseFrequencies(in.theta, in.dims)}
	rule, ok := ropeRule(kind)
	if !ok {
		return nil, fmt.Errorf("rope type %q is not supported, only default, linear, dynamic, llama3, yarn, longrope", kind)
	}
	if err := rule(in, r); err != nil {
		return nil, fmt.Errorf("rope type %s: %w", kind, err)
	}
	return r, nil
}

func ropeRule(kind string) (func(ropeInput, *Rope) error, bool) {
	switch kind {
	case "default":
		return func(ropeInput, *Rope) error { return nil }, true
	case "linear":
		return linearRope, true
	case "dynamic":
		return dynamicRope, true
	case "llama3":
		return llama3Rope, true
	case "yarn", "deepseek_yarn", "telechat3-yarn":
		return yarnRope, true
	case "longrope", "su":
		return longRope, true
	}
	return nil, false
}

func linearRope(in ropeInput, r *Rope) error {
	factor, err := in.factor()
	if err != nil {
		return err
	}
	for i := range r.InvFreq {
		r.InvFreq[i] /= factor
	}
	return nil
}

func dynamicRope(in ropeInput, r *Rope) error {
	factor, err := in.factor()
	if err != nil {
		return err
	}
	if in.dims <= 2 {
		return fmt.Errorf("head_dim %d is too small", in.dims)
	}
	r.Dynamic = &DynamicNTK{Base: in.theta, Factor: factor, MaxPositions: in.maxPosition}
	return nil
}

// llama3Rope stretches the long wavelengths by factor, keeps the short ones and
// blends between.
func llama3Rope(in ropeInput, r *Rope) error {
	factor, err := in.factor()
	if err != nil {
		return err
	}
	low, high := or(in.scaling.LowFreq, 1), or(in.scaling.HighFreq, 4)
	original := or(in.scaling.OriginalMax, 8192)
	if !(low > 0 && high > low && original > 0) {
		return fmt.Errorf("low_freq_factor %g, high_freq_factor %g, original_max_position_embeddings %g do not fit together", low, high, original)
	}
	for i, inv := range r.InvFreq {
		wavelength := 2 * math.Pi / inv
		switch {
		case wavelength > original/low:
			r.InvFreq[i] = inv / factor
		case wavelength > original/high:
			smooth := (original/wavelength - low) / (high - low)
			r.InvFreq[i] = inv * ((1-smooth)/factor + smooth)
		}
	}
	return nil
}

// yarnRope interpolates the slow pairs by factor, keeps the fast ones, ramps
// between, and scales attention by the logarithm of the factor.
func yarnRope(in ropeInput, r *Rope) error {
	factor, err := in.factor()
	if err != nil {
		return err
	}
	original, err := in.original()
	if err != nil {
		return err
	}
	fast, slow := or(in.scaling.BetaFast, 32), or(in.scaling.BetaSlow, 1)
	if !(fast > 0 && slow > 0) || in.theta == 1 {
		return fmt.Errorf("beta_fast %g, beta_slow %g, rope_theta %g do not fit together", fast, slow, in.theta)
	}
	boundary := func(rotations float64) float64 {
		return float64(in.dims) * math.Log(original/(rotations*2*math.Pi)) / (2 * math.Log(in.theta))
	}
	low, high := boundary(fast), boundary(slow)
	if in.scaling.Truncate == nil || *in.scaling.Truncate {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = math.Max(low, 0), math.Min(high, float64(in.dims-1))
	if low == high {
		high += 0.001
	}
	for i, inv := range r.InvFreq {
		ramp := math.Min(math.Max((float64(i)-low)/(high-low), 0), 1)
		r.InvFreq[i] = inv*(1-ramp) + inv/factor*ramp
	}
	mscale := func(m float64) float64 {
		if factor <= 1 {
			return 1
		}
		return 0.1*m*math.Log(factor) + 1
	}
	r.Multiplier = or(in.scaling.AttentionFactor,
		mscale(or(in.scaling.MScale, 1))/mscale(or(in.scaling.MScaleAllDim, 0)))
	return nil
}

// longRope divides each pair's frequency by its own factor. The long factors
// are used at every length, as mlx-lm does: a cache must not change its meaning
// when a conversation grows past the original length.
func longRope(in ropeInput, r *Rope) error {
	original, err := in.original()
	if err != nil {
		return err
	}
	factors := in.scaling.LongFactor
	if len(factors) != 1 && len(factors) != len(r.InvFreq) {
		return fmt.Errorf("long_factor has %d values, want %d", len(factors), len(r.InvFreq))
	}
	for i := range r.InvFreq {
		f := factors[min(i, len(factors)-1)]
		if !(f > 0) {
			return fmt.Errorf("long_factor %d is %g, want a positive number", i, f)
		}
		r.InvFreq[i] /= f
	}
	if stretch := float64(in.maxPosition) / original; stretch > 1 {
		r.Multiplier = math.Sqrt(1 + math.Log(stretch)/math.Log(original))
	}
	r.Multiplier = or(in.scaling.AttentionFactor, r.Multiplier)
	return nil
}

// context is how many positions a model reaches with its scaling. The dynamic
// and yarn rules exist to go beyond max_position_embeddings, which files leave
// at the trained length; with the others it says the stretched length already.
func (in *ropeInput) context(r *Rope) int {
	reach := float64(in.maxPosition)
	switch r.Kind {
	case "dynamic":
		reach *= or(in.scaling.Factor, 1)
	case "yarn":
		reach = max(reach, or(in.scaling.OriginalMax, 0)*or(in.scaling.Factor, 1))
	}
	return int(min(reach, maxPositions))
}

func (in *ropeInput) factor() (float64, error) {
	f := in.scaling.Factor
	if f == nil {
		return 0, errors.New("factor is missing")
	}
	if !(*f >= 1) || math.IsInf(*f, 0) {
		return 0, fmt.Errorf("factor is %g, want 1 or more", *f)
	}
	return *f, nil
}

// original is the context length before the stretch; without the key it is the
// model's own length, as in transformers.
func (in *ropeInput) original() (float64, error) {
	n := or(in.scaling.OriginalMax, or(in.originalMax, float64(in.maxPosition)))
	if !(n > 1) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("original_max_position_embeddings is %g, want more than 1", n)
	}
	return n, nil
}

func or(v *float64, fallback float64) float64 {
	if v == nil {
		return fallback
	}
	return *v
}
