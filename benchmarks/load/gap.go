package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"troupe/benchmarks/harness"
)

// measureGap has a long prompt arrive while agents speak, and looks at the times between their texts until its first token is there: none should be longer
// than the target and a step of theirs.
func measureGap(ctx context.Context, o options) (r harness.Report, failed error) {
	agents, length := or(o.agents, 8), or(o.tokens, 7800)
	r.Title = fmt.Sprintf("a prompt of %d tokens or so arrives while %d agents speak, %s, real binary", length, agents, o.model)
	p, err := harness.StartTroupe(ctx, o.binary, "--model", o.model, "--max-gap", o.maxGap.String())
	if err != nil {
		return r, err
	}
	defer func() { failed = errors.Join(failed, p.Stop()) }()
	g := gapRun{client: harness.NewClient(p.URL, agents+1), url: p.URL, target: o.maxGap}
	g.client.Fields = map[string]any{"temperature": 1, "seed": 1} // a model of random weights may say the same silent token for ever
	speakers, err := g.speak(ctx, agents, length)
	if err != nil {
		return r, err
	}
	if err := g.compare(speakers); err != nil {
		return r, err
	}
	g.report(&r)
	return r, nil
}

type gapRun struct {
	client *harness.Client
	url    string
	target time.Duration

	calm   time.Time      // when all speak
	long   harness.Sample // the prompt
	steps  []stepTime     // until its first token
	stolen float64        // part of the machine's time until then that the hypervisor took
	slow   int            // tokens above the target until then, by the server's own count; -1: not known

	before, during []time.Duration // gaps, sorted
	above          []lateText      // of those during, above the target, longest first
}

// lateText is a gap, and when it began after the prompt was sent.
type lateText struct{ at, gap time.Duration }

// speak lets the agents speak alone for a while, then beside the prompt, and returns what they said.
func (g *gapRun) speak(ctx context.Context, agents, length int) (speakers []harness.Sample, err error) {
	const alone, after = 5 * time.Second, time.Second
	talk, end := context.WithCancel(ctx)
	defer end()
	said := make(chan harness.Sample, agents)
	for _, j := range harness.JobsFor(agents, 1<<20, "speaker") { // to the end of the context
		spoke := make(chan struct{})
		go func() { said <- g.client.DoTelling(talk, j, spoke) }()
		<-spoke
	}
	g.calm = time.Now()
	time.Sleep(alone)
	earlier, err := readMetrics(ctx, g.url)
	if err != nil {
		return nil, err
	}
	ticks := harness.ReadTicks()
	watch, stop := context.WithCancel(ctx)
	watched := make(chan []stepTime, 1)
	go func() { watched <- watchSteps(watch, g.url) }()
	g.long = g.client.Do(ctx, harness.Job{Agent: "long", Prompt: letters(length), Tokens: 1})
	stop()
	g.stolen = harness.ReadTicks().StolenSince(ticks)
	g.steps = <-watched
	time.Sleep(after)
	later, err := readMetrics(ctx, g.url)
	end()
	for range agents {
		speakers = append(speakers, <-said)
	}
	g.slow = -1
	if n, known := later.slower(g.target); known {
		before, _ := earlier.slower(g.target)
		g.slow = n - before
	}
	return speakers, errors.Join(err, g.long.Err)
}

// compare sorts the gaps of the speakers.
func (g *gapRun) compare(speakers []harness.Sample) error {
	sent, done := g.long.Sent, g.long.Texts[0]
	for _, s := range speakers {
		if s.Status != 200 || len(s.Texts) == 0 || s.Texts[len(s.Texts)-1].Before(done) {
			return fmt.Errorf("a speaker ended early: status %d, %d texts, %w", s.Status, len(s.Texts), s.Err)
		}
		for i := 1; i < len(s.Texts); i++ {
			from, to := s.Texts[i-1], s.Texts[i]
			gap := to.Sub(from)
			switch {
			case from.Before(g.calm):
			case to.Before(sent):
				g.before = append(g.before, gap)
			case from.Before(done):
				g.during = append(g.during, gap)
				if gap > g.target {
					g.above = append(g.above, lateText{from.Sub(sent), gap})
				}
			}
		}
	}
	if len(g.before) == 0 || len(g.during) == 0 {
		return errors.New("there are no gaps")
	}
	slices.Sort(g.before)
	slices.Sort(g.during)
	slices.SortFunc(g.above, func(a, b lateText) int { return int(b.gap - a.gap) })
	return nil
}

func (g *gapRun) report(r *harness.Report) {
	percentiles := func(gaps []time.Duration) string {
		return fmt.Sprintf("%d: %s, %s, %s", len(gaps), harness.Short(harness.Percentile(gaps, 0.5)), harness.Short(harness.Percentile(gaps, 0.99)), harness.Short(harness.Percentile(gaps, 1)))
	}
	step := harness.Percentile(g.before, 0.5)
	allowed := g.target + step
	r.Add("the prompt", "%d tokens, %s to its first token, %.1f %% of the machine stolen meanwhile", g.long.Prompt, harness.Short(g.long.First()), 100*g.stolen)
	r.Add("gaps before it: p50, p99, longest", "%s", percentiles(g.before))
	r.Add("gaps beside it: p50, p99, longest", "%s", percentiles(g.during))
	ended, longest := 0, stepTime{}
	for _, s := range g.steps {
		ended += s.steps
		if s.mean > longest.mean {
			longest = s
		}
	}
	r.Add("steps beside it, longest of the engine", "%d, %s", ended, harness.Short(longest.mean))
	r.Add("gaps above the target of "+g.target.String(), "%d, %.1f %%", len(g.above), 100*float64(len(g.above))/float64(len(g.during)))
	tooLong := 0
	for _, a := range g.above {
		if a.gap > allowed {
			tooLong++
		}
	}
	if g.slow >= 0 { // a token without a text, like a part of a letter, makes one gap of two
		r.Add("tokens above it, by the server's count", "%d", g.slow)
		tooLong = min(tooLong, g.slow)
	}
	verdict := "held"
	if tooLong > 0 {
		verdict = "MISSED"
	}
	r.Add("gaps above it and a step of theirs", "%d above %s: %s", tooLong, harness.Short(allowed), verdict)
	for _, a := range g.above[:min(len(g.above), 8)] {
		r.Add("", "%s, from %s on", harness.Short(a.gap), harness.Short(a.at))
	}
}

// letters are n letters without a pattern: as many tokens, if each letter is one.
func letters(n int) string {
	rng := rand.New(rand.NewPCG('g', 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rng.IntN(26))
	}
	return string(b)
}
