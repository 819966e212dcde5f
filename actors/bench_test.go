package actors_test

import (
	"context"
	"sync"
	"syscall"
	"testing"
	"time"

	"troupe/actors"
	"troupe/runtime/enginetest"
)

// BenchmarkTokens measures what the actors cost for a token when the engine costs nothing: 500 anonymous agents at once, 50 tokens each.
func BenchmarkTokens(b *testing.B) {
	const agents, tokens = 500, 50
	for _, batch := range []int{64, 512} {
		b.Run(map[int]string{64: "batch=64", 512: "batch=512"}[batch], func(b *testing.B) {
			s := start(b, enginetest.Options{Blocks: 4000}, actors.Config{MaxBatch: batch})
			began := cpu(b)
			for b.Loop() {
				var all sync.WaitGroup
				for n := range agents {
					all.Go(func() {
						_, _, o := read(generate(b, s, actors.Request{Prompt: prompt(n, 20), MaxTokens: tokens}))
						if o.Err != nil {
							b.Error(o.Err)
						}
					})
				}
				all.Wait()
			}
			b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(b.N*agents*tokens), "cpu-µs/token")
		})
	}
}

// BenchmarkFirstToken measures how long an idle server takes from a request to its first token.
func BenchmarkFirstToken(b *testing.B) {
	s := start(b, enginetest.Options{}, actors.Config{})
	p := prompt(1, 20)
	for b.Loop() {
		st, err := s.Generate(context.Background(), actors.Request{Prompt: p, MaxTokens: 1})
		if err != nil {
			b.Fatal(err)
		}
		for range st.Events() {
		}
	}
}

// cpu returns the processor time that this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
