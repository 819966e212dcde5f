package engine

import (
	"container/heap"
	"fmt"
	"math"
	"slices"

	"troupe/runtime"
)

// reduce turns a row of logits into what sampling asked for. The row stays
// referenced by the result if all of it was wanted. Logits that are not numbers
// are an error: the row's own arithmetic overflowed, or its weights are broken.
func reduce(logits []float32, want int) (runtime.Result, error) {
	r := runtime.Result{LogSumExp: runtime.LogSumExp(logits)}
	if f := float64(r.LogSumExp); math.IsNaN(f) || math.IsInf(f, 0) {
		return runtime.Result{}, fmt.Errorf("the logits are not finite (log-sum-exp %g)", f)
	}
	if want == runtime.WantAll {
		r.Logits = logits
		return r, nil
	}
	r.Top = top(logits, min(want, len(logits)))
	return r, nil
}

// top is runtime.TopOf without sorting the vocabulary: one pass with a heap.
func top(logits []float32, n int) []runtime.Candidate {
	worst := make(worstFirst, 0, n)
	for id, l := range logits {
		c := runtime.Candidate{ID: int32(id), Logit: l}
		switch {
		case len(worst) < n:
			heap.Push(&worst, c)
		case l > worst[0].Logit: // an equal one has a higher id, and loses
			worst[0] = c
			heap.Fix(&worst, 0)
		}
	}
	slices.SortFunc(worst, better)
	return worst
}

func better(a, b runtime.Candidate) int {
	switch {
	case a.Logit > b.Logit:
		return -1
	case a.Logit < b.Logit:
		return 1
	}
	return int(a.ID) - int(b.ID)
}

// worstFirst is a heap of the best so far with the worst of them on top.
type worstFirst []runtime.Candidate

func (w worstFirst) Len() int           { return len(w) }
func (w worstFirst) Less(i, j int) bool { return better(w[i], w[j]) > 0 }
func (w worstFirst) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *worstFirst) Push(x any)        { *w = append(*w, x.(runtime.Candidate)) }
func (w *worstFirst) Pop() any {
	last := (*w)[len(*w)-1]
	*w = (*w)[:len(*w)-1]
	return last
}
