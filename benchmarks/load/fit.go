package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"troupe/benchmarks/harness"
	"troupe/mlx/engine"
	"troupe/mlx/starter"
)

// measureFit fills pools of the same memory, with KV of 16, 8 and 4 bits, with agents of equal length, and counts how many there are before one is
// forgotten. Nothing of the pool is used otherwise.
func measureFit(ctx context.Context, o options) (harness.Report, error) {
	const memory = 16 << 20
	words := or(o.tokens, 250)
	r := harness.Report{Title: fmt.Sprintf("agents of equal length that %d MiB of KV memory hold, the starter model", memory>>20)}
	full := 0
	for _, bits := range []int{16, 8, 4} {
		agents, length, err := fill(ctx, bits, memory, words)
		if err != nil {
			return r, fmt.Errorf("%d bits: %w", bits, err)
		}
		if bits == 16 {
			full = agents
		}
		r.Add(fmt.Sprintf("agents of %d tokens at %d bits", length, bits), "%d, %.2f times as many as at 16", agents, float64(agents)/float64(full))
	}
	return r, nil
}

// fill has one agent after another speak until one of the earlier ones is forgotten. It returns how many there were before, and how long each was.
func fill(ctx context.Context, bits int, memory int64, words int) (agents, length int, failed error) {
	folder, err := engine.ReadFolder(starter.FS(), "starter")
	if err != nil {
		return 0, 0, err
	}
	eng, err := engine.New(folder, engine.Options{KVBits: bits, KVBytes: memory})
	if err != nil {
		return 0, 0, err
	}
	stack, err := serve(eng, folder.Model, 0)
	if err != nil {
		return 0, 0, errors.Join(err, eng.Close())
	}
	defer func() { failed = errors.Join(failed, stack.Close()) }()
	c := harness.NewClient(stack.URL, 1)
	for {
		prompt := fmt.Sprintf("%05d", agents) + strings.Repeat(" word", words) // differs from the start, so that nothing is shared
		s := c.Do(ctx, harness.Job{Agent: prompt[:5], Prompt: prompt, Tokens: 8})
		if err := harness.Check([]harness.Sample{s}); err != nil {
			return 0, 0, err
		}
		if l := s.Prompt + s.Tokens; length == 0 {
			length = l
		} else if l != length {
			return 0, 0, fmt.Errorf("an agent has %d tokens, and the others %d", l, length)
		}
		stats, err := stack.System.Stats(ctx)
		if err != nil {
			return 0, 0, err
		}
		if stats.Forgotten > 0 {
			return agents, length, nil
		}
		agents++
		if stats.IdleAgents != agents {
			return 0, 0, fmt.Errorf("%d agents are idle of %d that spoke, and none was forgotten", stats.IdleAgents, agents)
		}
	}
}
