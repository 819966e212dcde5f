package engine

// Plan is what a model takes in memory before it is loaded.
type Plan struct {
	Weights       int64 // bytes of the weights on the device
	Files         int64 // bytes of the weights in the folder
	KVPerToken    int64 // bytes of one position over all layers
	BlockTokens   int
	BlockBytes    int64
	Blocks        int
	PoolBytes     int64 // Blocks * BlockBytes
	ContextBlocks int   // blocks of one agent that fills the context
}

// DefaultBlockTokens is the block size when Options leave it open.
const DefaultBlockTokens = 32

// MemoryPlan computes the plan of a folder. widen says that 16-bit weights are
// kept as float32, which is so on the CPU (see weights.go).
func (f *Folder) MemoryPlan(o Options, widen bool) Plan {
	p := Plan{
		KVPerToken:  f.Spec.KVBytesPerToken(),
		BlockTokens: o.blockTokens(),
		Blocks:      o.Blocks,
	}
	for _, t := range f.tensors() {
		p.Files += t.Bytes
		p.Weights += t.Bytes
		if widen && (t.DType == "F16" || t.DType == "BF16") {
			p.Weights += t.Bytes
		}
	}
	p.BlockBytes = p.KVPerToken * int64(p.BlockTokens)
	p.ContextBlocks = (f.Spec.MaxPositions + p.BlockTokens - 1) / p.BlockTokens
	switch {
	case o.Blocks != 0:
	case o.KVBytes != 0:
		p.Blocks = int(min(o.KVBytes/p.BlockBytes, maxBlocks))
	default:
		p.Blocks = p.ContextBlocks
	}
	p.PoolBytes = p.BlockBytes * int64(p.Blocks)
	return p
}

// maxBlocks keeps block ids and MLX's dimensions within an int32.
const maxBlocks = 1 << 24
