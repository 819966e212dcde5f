package main

import (
	"fmt"

	"troupe/mlx/engine"
)

// engineFlags are the settings of the engine: what a model takes in memory, and how it computes.
type engineFlags struct {
	KVMemory       byteSize `name:"kv-memory" default:"auto" placeholder:"SIZE" help:"Memory for the KV pool, like 2GiB; auto is a quarter of the machine's, at most 2GiB and what the model leaves (${default})."`
	MemoryLimit    byteSize `default:"auto" placeholder:"SIZE" help:"Memory that the model and its KV pool must fit in; auto is what the machine has, or the cgroup allows (${default})."`
	KVBits         int      `name:"kv-bits" enum:"16,8,4" default:"16" placeholder:"16|8|4" help:"Bits of a number in the KV pool; fewer hold more agents (${default})."`
	BlockTokens    int      `placeholder:"N" help:"Positions per KV block; 0 is the engine's choice."`
	Threads        int      `placeholder:"N" help:"Threads that compute on the CPU; 0 is one for each core."`
	CPUActivations string   `name:"cpu-activations" enum:"int8,f32" default:"int8" placeholder:"int8|f32" help:"What quantised layers see on the CPU: 8 bits and a scale for 32 numbers, or the exact numbers, which is slower (${default})."`
	CPUISA         string   `name:"cpu-isa" enum:"auto,avx512,avx2,portable" default:"auto" placeholder:"NAME" help:"Instruction set of the CPU's kernels (${default})."`
}

func (f *engineFlags) validate() error {
	if f.BlockTokens < 0 {
		return fmt.Errorf("--block-tokens must not be negative")
	}
	if f.Threads < 0 {
		return fmt.Errorf("--threads must not be negative")
	}
	return nil
}

// options are the engine's options for these flags, with everything open but the size of the pool.
func (f *engineFlags) options() engine.Options {
	return engine.Options{
		KVBytes: int64(f.KVMemory), KVBits: f.KVBits, BlockTokens: f.BlockTokens,
		Threads: f.Threads, Activations: engine.Activations(f.CPUActivations), ISA: f.CPUISA,
	}
}
