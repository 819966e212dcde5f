package engine

import (
	"os"
	"testing"
	"time"

	"troupe/runtime"
)

func TestRealBench(t *testing.T) {
	dir := os.Getenv("BENCHDIR")
	if dir == "" {
		t.Skip()
	}
	for _, bits := range []int{16} {
		e := newEngine(t, dir, Options{Blocks: 1000, KVBits: bits})
		run := func(n, reps int) time.Duration {
			var rows []runtime.Row
			for i := range n {
				b := sequentialBlocks(1000)[i*20 : i*20+20]
				step(t, e, runtime.Row{Blocks: b, Tokens: make([]int32, 100)})
				rows = append(rows, runtime.Row{Blocks: b, Start: 100, Tokens: []int32{1}, Want: 1})
			}
			best := time.Hour
			for range reps {
				began := time.Now()
				step(t, e, rows...)
				best = min(best, time.Since(began))
			}
			return best
		}
		var one float64
		for _, n := range []int{1, 2, 4, 8, 16, 32} {
			d := run(n, 20)
			if n == 1 {
				one = 1 / d.Seconds()
			}
			t.Logf("bits %d rows %d: %v  %.1f tok/s  x%.2f", bits, n, d, float64(n)/d.Seconds(), float64(n)/d.Seconds()/one)
		}
		best := time.Hour
		for range 3 {
			began := time.Now()
			step(t, e, runtime.Row{Blocks: sequentialBlocks(1000)[900:], Tokens: make([]int32, 512), Want: 1})
			best = min(best, time.Since(began))
		}
		t.Logf("prefill 512: %v %.1f tok/s", best, 512/best.Seconds())
	}
}
