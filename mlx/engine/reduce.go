package engine

import (
	"fmt"
	"math"

	"troupe/runtime"
)

// reduce turns a row of logits into what sampling asked for. The row stays
// referenced by the result if all of it was wanted. Logits that are not numbers
// are an error: the row's own arithmetic overflowed, or its weights are broken.
func reduce(logits []float32, want int) (runtime.Result, error) {
	r := runtime.Result{LogSumExp: runtime.LogSumExp(logits)}
	if err := finite(r.LogSumExp); err != nil {
		return runtime.Result{}, err
	}
	if want == runtime.WantAll {
		r.Logits = logits
		return r, nil
	}
	r.Top = runtime.TopOf(logits, want)
	return r, nil
}

func finite(logSumExp float32) error {
	if f := float64(logSumExp); math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("the logits are not finite (log-sum-exp %g)", f)
	}
	return nil
}
