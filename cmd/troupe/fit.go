package main

import (
	"fmt"

	"troupe/mlx/engine"
)

// fitting is how a model and its KV pool fit in the memory.
type fitting struct {
	options engine.Options
	plan    engine.Plan
	limit   int64 // 0: unknown
	working int64 // set aside for the rest
}

// fit sizes the pool that was left to the machine and checks that the model can be loaded; the error says what to change.
func (f *engineFlags) fit(folder *engine.Folder) (fitting, error) {
	limit := int64(f.MemoryLimit)
	if limit == 0 {
		limit = availableMemory()
	}
	return f.fitIn(folder, limit)
}

func (f *engineFlags) fitIn(folder *engine.Folder, limit int64) (fitting, error) {
	t := fitting{options: f.options(), limit: limit, working: working(limit)}
	weights := folder.MemoryPlan(t.options).Weights
	room := limit - t.working - weights
	if t.options.KVBytes == 0 {
		t.options.KVBytes = defaultKVMemory(limit)
		if limit > 0 {
			t.options.KVBytes = max(min(t.options.KVBytes, room), 1)
		}
	}
	t.plan = folder.MemoryPlan(t.options)
	size := func(n int64) string { return byteSize(n).String() }
	switch {
	case limit == 0:
	case room < t.plan.BlockBytes:
		return t, fmt.Errorf("model %s does not fit: its weights take %s, and of the %s of memory %s are set aside for the rest; "+
			"take a smaller model or one with fewer bits, or raise the memory of the machine, its cgroup or --memory-limit", folder.Name, size(weights), size(limit), size(t.working))
	case t.plan.PoolBytes > room:
		return t, fmt.Errorf("--kv-memory %s does not fit: of the %s of memory the weights of model %s take %s, and %s are set aside for the rest; "+
			"say --kv-memory %s or less; with --kv-bits 8 or 4 that holds more agents", size(t.options.KVBytes), size(limit), folder.Name, size(weights), size(t.working), written(room))
	}
	return t, folder.Check(t.options)
}

// left is what neither weights nor pool nor the rest take; only with a known limit.
func (t fitting) left() int64 { return t.limit - t.working - t.plan.Weights - t.plan.PoolBytes }

// written is a size as a flag takes it, rounded down.
func written(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%dMiB", n>>20)
	}
	return fmt.Sprint(n)
}
