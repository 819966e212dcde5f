package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"troupe/benchmarks/harness"
)

// measureStartup is the time from exec to ready.
func measureStartup(ctx context.Context, o options) (harness.Report, error) {
	runs := or(o.runs, 7)
	r := harness.Report{Title: fmt.Sprintf("%d starts of the binary with the starter model", runs)}
	var times []time.Duration
	for range runs {
		p, err := harness.StartTroupe(ctx, o.binary)
		if err != nil {
			return r, err
		}
		times = append(times, p.Ready)
		if err := p.Stop(); err != nil {
			return r, err
		}
	}
	slices.Sort(times)
	r.Add("exec to /health/ready: median, worst", "%s, %s", harness.Short(harness.Percentile(times, 0.5)), harness.Short(harness.Percentile(times, 1)))
	return r, nil
}

// measureStarter is the speed of the starter model behind the real binary, for one agent and for many.
func measureStarter(ctx context.Context, o options) (harness.Report, error) {
	agents, tokens := or(o.agents, 16), or(o.tokens, 128)
	r := harness.Report{Title: fmt.Sprintf("the starter model, real binary, 1 and %d agents x %d tokens", agents, tokens)}
	p, err := harness.StartTroupe(ctx, o.binary)
	if err != nil {
		return r, err
	}
	defer func() { _ = p.Stop() }()
	err = measureRemote(ctx, &r, harness.NewClient(p.URL, agents), p.PID(), agents, tokens)
	return r, err
}

// measureURL is measureStarter for a server that runs already.
func measureURL(ctx context.Context, o options) (harness.Report, error) {
	agents, tokens := or(o.agents, 16), or(o.tokens, 128)
	r := harness.Report{Title: fmt.Sprintf("%s, 1 and %d agents x %d tokens", o.url, agents, tokens)}
	err := measureRemote(ctx, &r, harness.NewClient(o.url, agents), 0, agents, tokens)
	return r, err
}

// measureRemote adds one block of figures for one agent and one for many. With a pid it also accounts for the server's processor time.
func measureRemote(ctx context.Context, r *harness.Report, c *harness.Client, pid, agents, tokens int) error {
	if _, err := harness.Rush(ctx, c, harness.JobsFor(agents, 4, "warm")); err != nil {
		return err
	}
	for _, n := range []int{1, agents} {
		server, err := harness.ProcessCPU(pid)
		own := harness.OwnCPU()
		res, failed := harness.Rush(ctx, c, harness.JobsFor(n, tokens, fmt.Sprintf("of%d", n)))
		if failed != nil {
			return failed
		}
		r.Add(fmt.Sprintf("-- agents: %d", n), "")
		r.AddResult(res)
		r.Add("CPU per token, client", "%s", harness.PerToken(harness.OwnCPU()-own, res.Tokens))
		if err != nil || pid == 0 {
			continue
		}
		after, err := harness.ProcessCPU(pid)
		if err != nil {
			return err
		}
		r.Add("CPU per token, server with model", "%s", harness.PerToken(after-server, res.Tokens))
	}
	return nil
}
