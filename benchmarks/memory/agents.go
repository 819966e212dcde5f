package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
)

// agents has 500 agents of 200 to 2,000 tokens speak, and counts the memory of the pool that they hold, with nothing in common and with a beginning of 2,000
// tokens. The engine is one that computes a hash: who holds which block does not depend on the numbers in it.
func agents(ctx context.Context, w io.Writer, _ options) error {
	const n, prefix = 500, 2000
	fmt.Fprintf(w, "\n%d agents of 200 to 2,000 tokens in a pool, blocks of %d tokens\n", n, blockTokens)
	fmt.Fprintf(w, "%-34s %10s %12s %14s %8s\n", "", "tokens", "blocks held", "tokens/block", "ratio")
	for _, shared := range []int{0, prefix} {
		tokens, blocks, err := hold(ctx, n, shared)
		if err != nil {
			return err
		}
		name := "nothing in common"
		if shared > 0 {
			name = fmt.Sprintf("a beginning of %d tokens, once", shared)
		}
		theory := float64(tokens) / blockTokens
		fmt.Fprintf(w, "%-34s %10d %12d %14.1f %8.3f\n", name, tokens, blocks, float64(tokens)/float64(blocks), float64(blocks)/theory)
	}
	return nil
}

// hold returns how many tokens agents know, a shared beginning once, and how many blocks are not free when all of them are idle.
func hold(ctx context.Context, agents, shared int) (tokens, blocks int, failed error) {
	eng := enginetest.NewFake(enginetest.Options{Vocab: 256, Context: 8192, BlockTokens: blockTokens, Blocks: 40000})
	system, err := actors.Start(actors.Config{Engine: eng, Model: &model.Model{}, Decoder: func() actors.Decoder { return silent{} }})
	if err != nil {
		return 0, 0, err
	}
	defer func() { failed = errors.Join(failed, system.Close()) }()
	rng := rand.New(rand.NewPCG(1, uint64(shared)))
	random := func(n int) []int32 {
		out := make([]int32, n)
		for i := range out {
			out[i] = rng.Int32N(256)
		}
		return out
	}
	beginning := random(shared)
	tokens = shared
	for i := range agents {
		own := 200 + rng.IntN(1801)
		const answer = 8
		prompt := append(beginning[:shared:shared], random(own-answer)...)
		stream, err := system.Generate(ctx, actors.Request{Agent: fmt.Sprint(i), Prompt: prompt, MaxTokens: answer, IgnoreEOS: true, Sampling: runtime.Sampling{}})
		if err != nil {
			return 0, 0, err
		}
		for range stream.Events() { //nolint:revive // until it ends
		}
		if o := stream.Outcome(); o.Err != nil || o.OutputTokens != answer {
			return 0, 0, fmt.Errorf("agent %d said %d tokens: %w", i, o.OutputTokens, o.Err)
		}
		tokens += own - 1 // the last token is not in the cache
	}
	c, err := system.Cache(ctx)
	if err != nil {
		return 0, 0, err
	}
	if c.AgentsHot != agents || c.Evictions > 0 {
		return 0, 0, fmt.Errorf("%d agents are in the pool, and %d blocks went", c.AgentsHot, c.Evictions)
	}
	return tokens, c.Blocks - c.Free, nil
}

// silent spells nothing.
type silent struct{}

func (silent) Push(int32) string { return "" }
func (silent) Flush() string     { return "" }
