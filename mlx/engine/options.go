package engine

import "troupe/mlx"

// Options are the settings of an Engine. The zero value is usable: one agent's
// whole context fits the pool.
type Options struct {
	Blocks      int // blocks in the KV pool; 0: as many as KVBytes holds
	BlockTokens int // positions per block; 0 is DefaultBlockTokens
	// KVBytes is the memory for the KV pool, used when Blocks is 0. When that is
	// 0 too, the pool holds one full context.
	KVBytes int64
	Device  mlx.Device
	// Progress is told how many bytes of the weights have been loaded, from the
	// loading thread, with done == total at the end. It may be nil.
	Progress func(done, total int64)
}

func (o *Options) blockTokens() int {
	if o.BlockTokens == 0 {
		return DefaultBlockTokens
	}
	return o.BlockTokens
}
