package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// result is what a fleet of agents measured together. Every answer was a whole 200.
type result struct {
	first, gaps []time.Duration // sorted
	requests    int
	tokens      int
	took        time.Duration
}

// rush sends all jobs at once, each from its own goroutine, and waits for their answers.
func rush(ctx context.Context, c *client, jobs []job) (result, error) {
	samples := make([]sample, len(jobs))
	var wg sync.WaitGroup
	began := time.Now()
	for i, j := range jobs {
		wg.Go(func() { samples[i] = c.do(ctx, j) })
	}
	wg.Wait()
	return summarise(samples, time.Since(began))
}

// inTurn sends one job after the other.
func inTurn(ctx context.Context, c *client, jobs []job) (result, error) {
	var samples []sample
	began := time.Now()
	for _, j := range jobs {
		samples = append(samples, c.do(ctx, j))
	}
	return summarise(samples, time.Since(began))
}

// summarise returns an error, and no figures, unless every answer was a whole 200.
func summarise(samples []sample, took time.Duration) (result, error) {
	r := result{requests: len(samples), took: took}
	statuses := map[int]int{}
	var failed error
	for _, s := range samples {
		statuses[s.status]++
		if s.err != nil && failed == nil {
			failed = s.err
		}
		r.first = append(r.first, s.first)
		r.gaps = append(r.gaps, s.gaps...)
		r.tokens += s.tokens
	}
	if failed != nil {
		return result{}, fmt.Errorf("no figures, since not every answer was good; statuses %v, first error: %w", statuses, failed)
	}
	if r.tokens == 0 {
		return result{}, errors.New("no figures: no tokens came")
	}
	slices.Sort(r.first)
	slices.Sort(r.gaps)
	return r, nil
}

// percentile returns the value that a share p of the sorted values do not exceed, by the nearest-rank rule; 0 if there are none.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// jobsFor makes one job for each agent. Prompts differ, so that nothing is computed once for all.
func jobsFor(agents, tokens int, name string) []job {
	jobs := make([]job, agents)
	for i := range jobs {
		jobs[i] = job{agent: fmt.Sprintf("%s-%d", name, i), prompt: fmt.Sprintf("Hello, I am agent %d. Please count from %d on.", i, i), tokens: tokens}
	}
	return jobs
}
