package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"troupe/actors"
	"troupe/benchmarks/harness"
	"troupe/http"
	"troupe/mlx/engine"
	"troupe/mlx/starter"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
	"troupe/tests/troupetest"
)

// serve starts the server without its log: one line per request, which only the modes with the real binary include.
func serve(eng runtime.Engine, m *model.Model, rows int) (*troupetest.Stack, error) {
	quiet := slog.New(slog.DiscardHandler)
	return troupetest.StartStack(actors.Config{Engine: eng, Model: m, MaxBatch: rows, Logger: quiet}, http.Config{Logger: quiet})
}

// startFake serves an engine of next to no cost with the text side of the starter model: real tokenizer, template, actors, HTTP and socket. A step
// takes pace, without using the processor, as one on a GPU would.
func startFake(rows int, pace time.Duration) (*troupetest.Stack, error) {
	folder, err := engine.ReadFolder(starter.FS(), "starter")
	if err != nil {
		return nil, err
	}
	fake := enginetest.NewFake(enginetest.Options{
		Vocab: folder.Spec.Vocab, Context: folder.Spec.MaxPositions, BlockTokens: engine.DefaultBlockTokens, Blocks: 16 * rows,
		BeforeStep: func([]runtime.Row) error { time.Sleep(pace); return nil },
	})
	return serve(fake, folder.Model, rows)
}

// measureFake is the cost of everything but the arithmetic, twice. Paced, every token of every agent travels alone, which is what a real engine makes of
// it and the figure to quote. Unpaced, the engine runs ahead of the sockets and tokens are written together, which is the most the server can do.
func measureFake(ctx context.Context, o options) (harness.Report, error) {
	agents, tokens := or(o.agents, 500), or(o.tokens, 50)
	r := harness.Report{Title: fmt.Sprintf("%d SSE agents x %d tokens at once, an engine of no cost, server and client in one process", agents, tokens)}
	for _, pace := range []time.Duration{50 * time.Millisecond, 0} {
		r.Add(fmt.Sprintf("-- a step in %s", pace), "")
		if err := addFake(ctx, &r, agents, tokens, or(o.runs, 3), pace); err != nil {
			return r, err
		}
	}
	return r, nil
}

// addFake adds the figures for one pace.
func addFake(ctx context.Context, r *harness.Report, agents, tokens, runs int, pace time.Duration) (failed error) {
	stack, err := startFake(agents, pace)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, stack.Close()) }()
	c := harness.NewClient(stack.URL, agents)
	if _, err := harness.Rush(ctx, c, harness.JobsFor(agents, 5, "warm")); err != nil { // opens the connections
		return err
	}
	var res harness.Result
	for i := range runs {
		before := harness.OwnCPU()
		if res, err = harness.Rush(ctx, c, harness.JobsFor(agents, tokens, fmt.Sprintf("run%d", i))); err != nil {
			return err
		}
		r.Add(fmt.Sprintf("CPU per token in all, run %d", i+1), "%s", harness.PerToken(harness.OwnCPU()-before, res.Tokens))
	}
	r.AddResult(res)
	stats, err := stack.System.Stats(ctx)
	if err != nil {
		return err
	}
	r.Add("rows per step, mean", "%.1f", meanRows(stats.RowsPerStep))
	return nil
}

// measureIdle is the way from a request to its first token on a server that has nothing else to do.
func measureIdle(ctx context.Context, o options) (harness.Report, error) {
	runs := or(o.runs, 300)
	r := harness.Report{Title: fmt.Sprintf("%d requests one after another on an idle server, an engine of no cost", runs)}
	stack, err := startFake(64, 0)
	if err != nil {
		return r, err
	}
	defer func() { _ = stack.Close() }()
	c := harness.NewClient(stack.URL, 1)
	if _, err := harness.InTurn(ctx, c, harness.JobsFor(20, 4, "warm")); err != nil {
		return r, err
	}
	res, err := harness.InTurn(ctx, c, harness.JobsFor(runs, 4, "idle"))
	if err != nil {
		return r, err
	}
	r.Add("request to first token p50, p99", "%s, %s", harness.Short(harness.Percentile(res.First, 0.5)), harness.Short(harness.Percentile(res.First, 0.99)))
	return r, nil
}

// measureBatch has agents arrive one after another, each when the one before has begun to speak, and counts the rows of the steps.
func measureBatch(ctx context.Context, o options) (harness.Report, error) {
	agents, tokens := or(o.agents, 8), or(o.tokens, 400)
	r := harness.Report{Title: fmt.Sprintf("%d agents that arrive one after another, the starter model", agents)}
	folder, err := engine.ReadFolder(starter.FS(), "starter")
	if err != nil {
		return r, err
	}
	eng, err := engine.New(folder, engine.Options{Blocks: agents * folder.MemoryPlan(engine.Options{}).ContextBlocks})
	if err != nil {
		return r, err
	}
	stack, err := serve(eng, folder.Model, 0)
	if err != nil {
		return r, errors.Join(err, eng.Close())
	}
	defer func() { _ = stack.Close() }()
	c := harness.NewClient(stack.URL, agents)
	samples := make(chan harness.Sample, agents)
	began := time.Now()
	for _, j := range harness.JobsFor(agents, tokens, "batch") {
		spoke := make(chan struct{})
		go func() { samples <- c.DoTelling(ctx, j, spoke) }()
		<-spoke
	}
	var all []harness.Sample
	for range agents {
		all = append(all, <-samples)
	}
	res, err := harness.Summarise(all, time.Since(began))
	if err != nil {
		return r, err
	}
	r.AddResult(res)
	stats, err := stack.System.Stats(ctx)
	if err != nil {
		return r, err
	}
	for rows, steps := range stats.RowsPerStep {
		if steps > 0 {
			r.Add(fmt.Sprintf("steps of %d rows", rows), "%d", steps)
		}
	}
	return r, nil
}

// meanRows is the mean of a histogram of rows per step.
func meanRows(histogram []uint64) float64 {
	var rows, steps uint64
	for n, count := range histogram {
		rows += uint64(n) * count
		steps += count
	}
	return float64(rows) / float64(max(steps, 1))
}

func or(v, fallback int) int {
	if v == 0 {
		return fallback
	}
	return v
}
