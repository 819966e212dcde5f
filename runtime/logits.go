package runtime

import (
	"container/heap"
	"math"
	"slices"
)

// TopOf returns the best n of a row of logits, or all if there are fewer, as [Result.Top] wants them. It passes over the row once.
func TopOf(logits []float32, n int) []Candidate {
	n = min(n, len(logits))
	worst := worstFirst{make(bestFirst, 0, n)}
	for id, l := range logits {
		c := Candidate{int32(id), l}
		switch {
		case worst.Len() < n:
			heap.Push(&worst, c)
		case n > 0 && before(c, worst.bestFirst[0]):
			worst.bestFirst[0] = c
			heap.Fix(&worst, 0)
		}
	}
	best := []Candidate(worst.bestFirst)
	slices.SortFunc(best, func(a, b Candidate) int {
		if before(a, b) {
			return -1
		}
		return 1 // no two are equal: ids differ
	})
	return best
}

// LogSumExp returns log(sum(exp(l))) of a row. It is not finite if a logit is not, unless that one is ruled out by -Inf.
func LogSumExp(logits []float32) float32 {
	top := float64(logits[argmax(logits)])
	var sum float64
	for _, l := range logits {
		sum += math.Exp(float64(l) - top)
	}
	return float32(top + math.Log(sum))
}

// argmax returns the id of the best logit, the lowest of equal ones.
func argmax(logits []float32) int32 {
	best := 0
	for i, l := range logits {
		if l > logits[best] || logits[best] != logits[best] {
			best = i
		}
	}
	return int32(best)
}

// before is the order of candidates: by falling logit, equal ones by rising id.
func before(a, b Candidate) bool { return a.Logit > b.Logit || a.Logit == b.Logit && a.ID < b.ID }

// bestFirst is a heap with the best candidate on top.
type bestFirst []Candidate

func (c bestFirst) Len() int           { return len(c) }
func (c bestFirst) Less(i, j int) bool { return before(c[i], c[j]) }
func (c bestFirst) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *bestFirst) Push(x any)        { *c = append(*c, x.(Candidate)) }
func (c *bestFirst) Pop() any {
	last := len(*c) - 1
	x := (*c)[last]
	*c = (*c)[:last]
	return x
}

// worstFirst is a heap with the worst candidate on top.
type worstFirst struct{ bestFirst }

func (w worstFirst) Less(i, j int) bool { return before(w.bestFirst[j], w.bestFirst[i]) }
