package engine

import (
	"fmt"

	"troupe/mlx"
)

// Options are the settings of an Engine. The zero value is usable: one agent's
// whole context fits the pool.
type Options struct {
	Blocks      int // blocks in the KV pool; 0: as many as KVBytes holds
	BlockTokens int // positions per block; 0 is DefaultBlockTokens
	// KVBytes is the memory for the KV pool, used when Blocks is 0. When that is
	// 0 too, the pool holds one full context.
	KVBytes int64
	KVBits  int // of a number in the KV pool: 16, 8 or 4; 0 is 16
	Device  mlx.Device

	// The following are for the kernels of the CPU.

	Threads     int         // 0: one for each core
	ISA         string      // see mlx.KernelOptions
	Activations Activations // how linear layers see their input
	// Reference computes with MLX's operations although the kernels cover the model. It is
	// slow, and what the kernels are compared with.
	Reference bool

	// Progress is told how many bytes of the weights have been loaded, from the
	// loading thread, with done == total at the end. It may be nil.
	Progress func(done, total int64)
	// Abort is asked before each tensor, on the same thread; its error ends the loading. It may
	// be nil.
	Abort func() error
}

// Activations is the precision of the input of quantised linear layers.
type Activations string

// The precisions.
const (
	Int8    Activations = "int8" // 8 bits for each number, and a scale for 32 of them; the zero value is the same
	Float32 Activations = "f32"  // exact
)

func (o *Options) validate() error {
	if o.Activations != "" && o.Activations != Int8 && o.Activations != Float32 {
		return fmt.Errorf("activations of type %q are not supported, only %s and %s", o.Activations, Int8, Float32)
	}
	return o.kvForm(true).validate()
}
