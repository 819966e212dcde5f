package runtime

import (
	"container/heap"
	"math"
	"math/rand/v2"
)

// Sampler draws the tokens of one request. It holds the request's generator and the counts that penalties need, so the same seed gives the same
// tokens whatever else is in the batch. It has one owner at a time, together with the lease.
type Sampler struct {
	p       Sampling
	rng     *rand.Rand
	prompt  map[int32]bool // tokens of the prompt; nil unless the repetition penalty is on
	output  map[int32]int  // how often each token was drawn; nil unless a penalty is on
	scratch []float32
}

// NewSampler makes the sampler of a request. The prompt is read, not kept.
func NewSampler(p Sampling, prompt []int32) *Sampler {
	s := &Sampler{p: p, rng: rand.New(rand.NewPCG(p.Seed, 0x54726f757065))}
	if s.repeats() {
		s.prompt = make(map[int32]bool, len(prompt))
		for _, id := range prompt {
			s.prompt[id] = true
		}
	}
	if s.repeats() || p.PresencePenalty != 0 || p.FrequencyPenalty != 0 {
		s.output = map[int32]int{}
	}
	return s
}

// Want is what the sampler needs of the next row. See [Row.Want].
func (s *Sampler) Want() int {
	switch {
	case s.output != nil || len(s.p.Bias) > 0:
		return WantAll
	case s.p.Temperature == 0:
		return 1
	case s.p.TopK > 0:
		return s.p.TopK
	}
	return WantAll
}

// Next draws a token from a result of the row that Want asked for. It uses the generator once per token, and not at all when greedy.
func (s *Sampler) Next(r Result) int32 {
	id := s.draw(r)
	if s.output != nil {
		s.output[id]++
	}
	return id
}

func (s *Sampler) draw(r Result) int32 {
	if r.Logits == nil {
		return s.pick(r.Top)
	}
	logits := s.penalise(r.Logits)
	if s.p.Temperature == 0 {
		return argmax(logits)
	}
	if s.p.TopK == 0 && !s.topP() && s.p.MinP == 0 {
		return s.pickPlain(logits)
	}
	return s.pick(s.best(logits))
}

// penalise returns the logits with penalties and bias applied, in memory of the sampler's own if there are any.
func (s *Sampler) penalise(logits []float32) []float32 {
	if s.output == nil && len(s.p.Bias) == 0 {
		return logits
	}
	out := append(s.scratch[:0], logits...)
	s.scratch = out
	if s.repeats() {
		for id := range s.prompt {
			s.repeat(out, id)
		}
		for id := range s.output {
			if !s.prompt[id] {
				s.repeat(out, id)
			}
		}
	}
	for id, n := range s.output {
		out[id] -= float32(s.p.PresencePenalty + s.p.FrequencyPenalty*float64(n))
	}
	for id, b := range s.p.Bias {
		out[id] += b
	}
	return out
}

func (s *Sampler) repeat(logits []float32, id int32) {
	if logits[id] > 0 {
		logits[id] /= float32(s.p.RepetitionPenalty)
	} else {
		logits[id] *= float32(s.p.RepetitionPenalty)
	}
}

// best returns the candidates that top-k, top-p and min-p may keep, by falling logit: the k best, or as many as reach the mass of top-p.
func (s *Sampler) best(logits []float32) []Candidate {
	top := logits[argmax(logits)]
	all := make(bestFirst, 0, len(logits))
	floor := s.minLogit(top)
	var total float64
	for id, l := range logits {
		total += s.weight(l, top)
		if float64(l) >= floor {
			all = append(all, Candidate{int32(id), l})
		}
	}
	limit := len(all)
	if s.p.TopK > 0 {
		limit = min(limit, s.p.TopK)
	}
	heap.Init(&all)
	var out []Candidate
	var mass float64
	for len(out) < limit {
		c := heap.Pop(&all).(Candidate)
		out = append(out, c)
		// With top-k the mass of top-p is a share of the k best, which pick computes; without it, of the whole vocabulary.
		if mass += s.weight(c.Logit, top); s.p.TopK == 0 && s.topP() && mass >= s.p.TopP*total {
			break
		}
	}
	return out
}

// pick draws from candidates in falling order after top-p and min-p.
func (s *Sampler) pick(c []Candidate) int32 {
	if s.p.Temperature == 0 || len(c) == 1 {
		if s.p.Temperature != 0 {
			s.rng.Float64()
		}
		return c[0].ID
	}
	top := c[0].Logit
	floor := s.minLogit(top)
	weights := make([]float64, 0, len(c))
	var total float64
	for _, x := range c {
		w := s.weight(x.Logit, top)
		total += w
		weights = append(weights, w)
	}
	keep, mass := 0, 0.0
	for keep < len(c) && (keep == 0 || float64(c[keep].Logit) >= floor) {
		mass += weights[keep]
		keep++
		if s.p.TopK > 0 && s.topP() && mass >= s.p.TopP*total {
			break
		}
	}
	u := s.rng.Float64() * mass
	for i := range keep {
		if u -= weights[i]; u < 0 {
			return c[i].ID
		}
	}
	return c[keep-1].ID
}

// pickPlain draws from the whole vocabulary in the order of ids.
func (s *Sampler) pickPlain(logits []float32) int32 {
	best := argmax(logits)
	top := logits[best]
	var total float64
	for _, l := range logits {
		total += s.weight(l, top)
	}
	u := s.rng.Float64() * total
	for id, l := range logits {
		if u -= s.weight(l, top); u < 0 {
			return int32(id)
		}
	}
	return best
}

// weight is the unnormalised probability at the request's temperature.
func (s *Sampler) weight(l, top float32) float64 {
	return math.Exp(float64(l-top) / s.p.Temperature)
}

// minLogit is the least logit that min-p keeps.
func (s *Sampler) minLogit(top float32) float64 {
	if s.p.MinP == 0 {
		return math.Inf(-1)
	}
	return float64(top) + s.p.Temperature*math.Log(s.p.MinP)
}

func (s *Sampler) repeats() bool { return s.p.RepetitionPenalty != 0 && s.p.RepetitionPenalty != 1 }
func (s *Sampler) topP() bool    { return s.p.TopP > 0 && s.p.TopP < 1 }
