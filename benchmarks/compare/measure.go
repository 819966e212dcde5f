package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"troupe/benchmarks/harness"
)

func cores() int { return runtime.NumCPU() }

// agents is how many speak at the same time.
const agents = 8

// The measurements of each program, in tokens per second.
const (
	alone    = "decode, one agent"
	together = "decode, 8 agents at once"
	prefill  = "prefill"
	whole    = "8 agents, prompts and waiting included"
)

var measurements = []string{alone, together, prefill, whole} //nolint:gochecknoglobals // never written to

// figures are the rates of a program, by measurement, one for each round.
type figures map[string][]float64

// running is a program that was started.
type running struct {
	program
	process *harness.Process
	client  *harness.Client
	figures figures
	asked   int // requests so far
}

// compare measures the programs on one shape and returns how many ratios were missed.
func compare(ctx context.Context, w io.Writer, shape string, o options) (missed int, failed error) {
	var all []*running
	defer func() {
		for _, r := range all {
			failed = errors.Join(failed, r.stop(r.process))
		}
	}()
	for _, p := range programs(shape, o) {
		process, err := p.start(ctx)
		if err != nil {
			return 0, err
		}
		r := &running{program: p, process: process, client: p.client(process.URL), figures: figures{}}
		all = append(all, r)
		if err := errors.Join(r.warm(ctx), process.Suspend()); err != nil {
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
	}
	fmt.Fprintf(w, "\n%s\n", shape)
	for round := range slices.MaxFunc(all, func(a, b *running) int { return a.rounds - b.rounds }).rounds {
		for _, r := range all {
			if round >= r.rounds {
				continue
			}
			if err := r.turn(ctx, w); err != nil {
				return 0, fmt.Errorf("%s: %w", r.name, err)
			}
		}
	}
	return conclude(w, all), nil
}

// warm asks once for a little, so that everything is loaded.
func (r *running) warm(ctx context.Context) error {
	return harness.Check([]harness.Sample{r.client.Do(ctx, r.job(2, 2))})
}

// turn measures a program while the others are suspended.
func (r *running) turn(ctx context.Context, w io.Writer) (failed error) {
	if err := r.process.Resume(); err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, r.process.Suspend()) }()
	if err := r.warm(ctx); err != nil {
		return err
	}
	one, err := r.ask(ctx, 1, r.length.prompt, r.length.alone)
	if err != nil {
		return err
	}
	began := time.Now()
	eight, err := r.ask(ctx, agents, r.length.prompt, r.length.each)
	if err != nil {
		return err
	}
	took := time.Since(began)
	prompt, err := r.ask(ctx, 1, r.length.prefill, 1)
	if err != nil {
		return err
	}
	rates := map[string]float64{
		alone: rate(one), together: rate(eight), whole: float64(agents*r.length.each) / took.Seconds(),
		prefill: float64(r.length.prefill) / prompt[0].First().Seconds(),
	}
	rates[together] = max(rates[together], rates[whole]) // answers may be too short to overlap, or overlap by chance
	fmt.Fprintf(w, "  %-20s", r.name)
	for _, m := range measurements {
		r.figures[m] = append(r.figures[m], rates[m])
		fmt.Fprintf(w, "  %s %.4g", m, rates[m])
	}
	fmt.Fprintln(w)
	return nil
}

// ask sends n requests at once and checks that nothing of the answers came from a cache.
func (r *running) ask(ctx context.Context, n, prompt, tokens int) ([]harness.Sample, error) {
	jobs := make([]harness.Job, n)
	for i := range jobs {
		jobs[i] = r.job(prompt, tokens)
	}
	samples := harness.All(ctx, r.client, jobs)
	if err := harness.Check(samples); err != nil {
		return nil, err
	}
	for _, s := range samples {
		if s.Prompt != prompt || s.Cached.Tokens != 0 {
			return nil, fmt.Errorf("a prompt of %d tokens, %d of them cached, instead of %d new ones", s.Prompt, s.Cached.Tokens, prompt)
		}
	}
	return samples, nil
}

// job is a request with a prompt that was never asked before: not even its first token is that of one of the last 94. A token of the models' vocabulary
// is a byte.
func (r *running) job(prompt, tokens int) harness.Job {
	text := make([]byte, prompt)
	for i := range text {
		text[i] = 'a' + byte(rand.IntN(26))
	}
	text[0] = '!' + byte(r.asked%94)
	r.asked++
	return harness.Job{Agent: fmt.Sprintf("compare-%016x", rand.Uint64()), Prompt: string(text), Tokens: tokens}
}

// rate is the tokens per second while all of the agents spoke: from when the last one began until the first one ended. An event with text is a token, or,
// where tokens came without, its share of them. It is not positive if they never all spoke.
func rate(samples []harness.Sample) float64 {
	from, to := samples[0].Texts[0], samples[0].Texts[len(samples[0].Texts)-1]
	for _, s := range samples[1:] {
		if first := s.Texts[0]; first.After(from) {
			from = first
		}
		if last := s.Texts[len(s.Texts)-1]; last.Before(to) {
			to = last
		}
	}
	tokens := 0.0
	for _, s := range samples {
		share := float64(s.Tokens-1) / float64(max(len(s.Texts)-1, 1))
		for _, t := range s.Texts {
			if t.After(from) && !t.After(to) {
				tokens += share
			}
		}
	}
	return tokens / to.Sub(from).Seconds()
}
