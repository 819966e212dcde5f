package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Result is what a fleet of agents measured together. Every answer was a whole 200.
type Result struct {
	First, Gaps []time.Duration // sorted
	Requests    int
	Tokens      int
	Took        time.Duration
}

// Rush sends all jobs at once, each from its own goroutine, and waits for their answers.
func Rush(ctx context.Context, c *Client, jobs []Job) (Result, error) {
	began := time.Now()
	return Summarise(All(ctx, c, jobs), time.Since(began))
}

// All is Rush that returns the samples as they are.
func All(ctx context.Context, c *Client, jobs []Job) []Sample {
	samples := make([]Sample, len(jobs))
	var wg sync.WaitGroup
	for i, j := range jobs {
		wg.Go(func() { samples[i] = c.Do(ctx, j) })
	}
	wg.Wait()
	return samples
}

// InTurn sends one job after the other.
func InTurn(ctx context.Context, c *Client, jobs []Job) (Result, error) {
	var samples []Sample
	began := time.Now()
	for _, j := range jobs {
		samples = append(samples, c.Do(ctx, j))
	}
	return Summarise(samples, time.Since(began))
}

// Summarise returns an error, and no figures, unless every answer was a whole 200.
func Summarise(samples []Sample, took time.Duration) (Result, error) {
	if err := Check(samples); err != nil {
		return Result{}, err
	}
	r := Result{Requests: len(samples), Took: took}
	for _, s := range samples {
		r.First = append(r.First, s.First())
		for i := 1; i < len(s.Texts); i++ {
			r.Gaps = append(r.Gaps, s.Texts[i].Sub(s.Texts[i-1]))
		}
		r.Tokens += s.Tokens
	}
	slices.Sort(r.First)
	slices.Sort(r.Gaps)
	return r, nil
}

// Check returns an error unless every answer was a whole 200.
func Check(samples []Sample) error {
	if len(samples) == 0 {
		return errors.New("no figures: nothing was asked")
	}
	statuses := map[int]int{}
	var failed error
	for _, s := range samples {
		statuses[s.Status]++
		if s.Err != nil && failed == nil {
			failed = s.Err
		}
	}
	if failed != nil {
		return fmt.Errorf("no figures, since not every answer was good; statuses %v, first error: %w", statuses, failed)
	}
	return nil
}

// Percentile returns the value that a share p of the sorted values do not exceed, by the nearest-rank rule; 0 if there are none.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// JobsFor makes one job for each agent. Prompts differ, so that nothing is computed once for all.
func JobsFor(agents, tokens int, name string) []Job {
	jobs := make([]Job, agents)
	for i := range jobs {
		jobs[i] = Job{Agent: fmt.Sprintf("%s-%d", name, i), Prompt: fmt.Sprintf("Hello, I am agent %d. Please count from %d on.", i, i), Tokens: tokens}
	}
	return jobs
}
