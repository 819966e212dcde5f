package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"troupe/actors"
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
func measureFake(ctx context.Context, o options) (report, error) {
	agents, tokens := or(o.agents, 500), or(o.tokens, 50)
	r := report{title: fmt.Sprintf("%d SSE agents x %d tokens at once, an engine of no cost, server and client in one process", agents, tokens)}
	for _, pace := range []time.Duration{50 * time.Millisecond, 0} {
		r.add(fmt.Sprintf("-- a step in %s", pace), "")
		if err := r.fake(ctx, agents, tokens, or(o.runs, 3), pace); err != nil {
			return r, err
		}
	}
	return r, nil
}

// fake adds the figures for one pace.
func (r *report) fake(ctx context.Context, agents, tokens, runs int, pace time.Duration) (failed error) {
	stack, err := startFake(agents, pace)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, stack.Close()) }()
	c := newClient(stack.URL, agents)
	if _, err := rush(ctx, c, jobsFor(agents, 5, "warm")); err != nil { // opens the connections
		return err
	}
	var res result
	for i := range runs {
		before := ownCPU()
		if res, err = rush(ctx, c, jobsFor(agents, tokens, fmt.Sprintf("run%d", i))); err != nil {
			return err
		}
		r.add(fmt.Sprintf("CPU per token in all, run %d", i+1), "%s", perToken(ownCPU()-before, res.tokens))
	}
	r.addResult(res)
	stats, err := stack.System.Stats(ctx)
	if err != nil {
		return err
	}
	r.add("rows per step, mean", "%.1f", meanRows(stats.RowsPerStep))
	return nil
}

// measureIdle is the way from a request to its first token on a server that has nothing else to do.
func measureIdle(ctx context.Context, o options) (report, error) {
	runs := or(o.runs, 300)
	r := report{title: fmt.Sprintf("%d requests one after another on an idle server, an engine of no cost", runs)}
	stack, err := startFake(64, 0)
	if err != nil {
		return r, err
	}
	defer func() { _ = stack.Close() }()
	c := newClient(stack.URL, 1)
	if _, err := inTurn(ctx, c, jobsFor(20, 4, "warm")); err != nil {
		return r, err
	}
	res, err := inTurn(ctx, c, jobsFor(runs, 4, "idle"))
	if err != nil {
		return r, err
	}
	r.add("request to first token p50, p99", "%s, %s", short(percentile(res.first, 0.5)), short(percentile(res.first, 0.99)))
	return r, nil
}

// measureBatch has agents arrive one after another, each when the one before has begun to speak, and counts the rows of the steps.
func measureBatch(ctx context.Context, o options) (report, error) {
	agents, tokens := or(o.agents, 8), or(o.tokens, 400)
	r := report{title: fmt.Sprintf("%d agents that arrive one after another, the starter model", agents)}
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
	c := newClient(stack.URL, agents)
	samples := make(chan sample, agents)
	began := time.Now()
	for _, j := range jobsFor(agents, tokens, "batch") {
		spoke := make(chan struct{})
		go func() { samples <- c.doTelling(ctx, j, spoke) }()
		<-spoke
	}
	var all []sample
	for range agents {
		all = append(all, <-samples)
	}
	res, err := summarise(all, time.Since(began))
	if err != nil {
		return r, err
	}
	r.addResult(res)
	stats, err := stack.System.Stats(ctx)
	if err != nil {
		return r, err
	}
	for rows, steps := range stats.RowsPerStep {
		if steps > 0 {
			r.add(fmt.Sprintf("steps of %d rows", rows), "%d", steps)
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
