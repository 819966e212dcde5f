package runtime_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// row makes a result as an engine would for what the sampler wants.
func row(s *runtime.Sampler, logits []float32) runtime.Result {
	r := runtime.Result{LogSumExp: runtime.LogSumExp(logits)}
	if want := s.Want(); want == runtime.WantAll {
		r.Logits = logits
	} else {
		r.Top = runtime.TopOf(logits, want)
	}
	return r
}

// frequencies draws n tokens and returns each one's share.
func frequencies(p runtime.Sampling, logits []float32, n int) map[int32]float64 {
	s := runtime.NewSampler(p, nil)
	out := map[int32]float64{}
	for range n {
		out[s.Next(row(s, logits))] += 1 / float64(n)
	}
	return out
}

func softmax(logits []float32, temperature float64) []float64 {
	out := make([]float64, len(logits))
	var sum float64
	for i, l := range logits {
		out[i] = math.Exp(float64(l) / temperature)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

func TestGreedyTakesTheBestAndTheLowestIdOfEquals(t *testing.T) {
	s := runtime.NewSampler(runtime.Sampling{}, nil)
	require.Equal(t, 1, s.Want())
	require.Equal(t, int32(1), s.Next(row(s, []float32{0, 3, 2, 3})))
}

func TestTemperatureGivesTheSoftmax(t *testing.T) {
	logits := []float32{0.5, 2, -1, 1}
	for _, temperature := range []float64{0.5, 1, 2} {
		got := frequencies(runtime.Sampling{Temperature: temperature, Seed: 1}, logits, 40000)
		for id, p := range softmax(logits, temperature) {
			require.InDelta(t, p, got[int32(id)], 0.015, "token %d at temperature %g", id, temperature)
		}
	}
}

func TestFiltersKeepWhatTheyShould(t *testing.T) {
	// Probabilities 0.5, 0.25, 0.15, 0.1 in the order of ids 3, 0, 2, 1.
	logits := make([]float32, 4)
	for i, p := range map[int]float64{3: 0.5, 0: 0.25, 2: 0.15, 1: 0.1} {
		logits[i] = float32(math.Log(p))
	}
	for name, c := range map[string]struct {
		p    runtime.Sampling
		want map[int32]float64
	}{
		"top-k":                  {runtime.Sampling{TopK: 2}, map[int32]float64{3: 2. / 3, 0: 1. / 3}},
		"top-k beyond the end":   {runtime.Sampling{TopK: 9}, map[int32]float64{3: 0.5, 0: 0.25, 2: 0.15, 1: 0.1}},
		"top-p":                  {runtime.Sampling{TopP: 0.7}, map[int32]float64{3: 2. / 3, 0: 1. / 3}},
		"top-p tiny keeps one":   {runtime.Sampling{TopP: 1e-9}, map[int32]float64{3: 1}},
		"min-p":                  {runtime.Sampling{MinP: 0.28}, map[int32]float64{3: 0.5 / 0.9, 0: 0.25 / 0.9, 2: 0.15 / 0.9}},
		"top-k then top-p":       {runtime.Sampling{TopK: 3, TopP: 0.8}, map[int32]float64{3: 2. / 3, 0: 1. / 3}},
		"bias bans and top-k":    {runtime.Sampling{TopK: 2, Bias: map[int32]float32{3: -100}}, map[int32]float64{0: 0.625, 2: 0.375}},
		"min-p with top-k":       {runtime.Sampling{TopK: 3, MinP: 0.4}, map[int32]float64{3: 2. / 3, 0: 1. / 3}},
		"temperature then min-p": {runtime.Sampling{Temperature: 0.5, MinP: 0.26}, map[int32]float64{3: 1}},
	} {
		if c.p.Temperature == 0 {
			c.p.Temperature = 1
		}
		got := frequencies(c.p, logits, 20000)
		require.Len(t, got, len(c.want), name)
		for id, p := range c.want {
			require.InDelta(t, p, got[id], 0.02, "%s: token %d", name, id)
		}
	}
}

func TestSameSeedSameTokens(t *testing.T) {
	draw := func(seed uint64) []int32 {
		s := runtime.NewSampler(runtime.Sampling{Temperature: 1, Seed: seed}, nil)
		rng := rand.New(rand.NewPCG(9, 9))
		var out []int32
		for range 50 {
			logits := make([]float32, 20)
			for i := range logits {
				logits[i] = float32(rng.NormFloat64())
			}
			out = append(out, s.Next(row(s, logits)))
		}
		return out
	}
	require.Equal(t, draw(7), draw(7))
	require.NotEqual(t, draw(7), draw(8))
}

func TestPenalties(t *testing.T) {
	logits := []float32{4, 3, -1, 1}
	next := func(p runtime.Sampling, prompt []int32, n int) (out []int32) {
		s := runtime.NewSampler(p, prompt)
		for range n {
			require.Equal(t, runtime.WantAll, s.Want())
			out = append(out, s.Next(row(s, logits)))
		}
		return out
	}
	require.Equal(t, []int32{1}, next(runtime.Sampling{RepetitionPenalty: 2}, []int32{0}, 1), "the prompt counts")
	require.Equal(t, []int32{0, 1, 0}, next(runtime.Sampling{RepetitionPenalty: 2}, nil, 3), "once, however often it came")
	require.Equal(t, []int32{0, 1, 0, 0}, next(runtime.Sampling{PresencePenalty: 1.5}, nil, 4), "does not grow")
	require.Equal(t, []int32{0, 1, 0, 1}, next(runtime.Sampling{FrequencyPenalty: 1.5}, nil, 4), "grows")
	require.Equal(t, []int32{0}, next(runtime.Sampling{PresencePenalty: 1.5}, []int32{0}, 1), "the prompt does not count")
	require.Equal(t, []int32{2}, next(runtime.Sampling{Bias: map[int32]float32{2: 50}}, nil, 1))
	require.Equal(t, []float32{4, 3, -1, 1}, logits, "the engine's row is not written to")
}

func TestSamplingNamesTheFieldAtFault(t *testing.T) {
	require.NoError(t, runtime.Sampling{Temperature: 2, TopK: 40, TopP: 0.9, MinP: 0.1, RepetitionPenalty: 1.1}.Validate(10))
	for param, p := range map[string]runtime.Sampling{
		"temperature":        {Temperature: math.NaN()},
		"top_p":              {TopP: 1.5},
		"min_p":              {MinP: -0.1},
		"top_k":              {TopK: -1},
		"repetition_penalty": {RepetitionPenalty: math.Inf(1)},
		"presence_penalty":   {PresencePenalty: 3},
		"frequency_penalty":  {FrequencyPenalty: -3},
		"logit_bias":         {Bias: map[int32]float32{10: 1}},
	} {
		err := p.Validate(10)
		var e *runtime.Error
		require.ErrorAs(t, err, &e, param)
		require.Equal(t, param, e.Param)
		require.Equal(t, runtime.Invalid, e.Kind)
	}
}
