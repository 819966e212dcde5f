package engine

import "fmt"

// Plan is what a model takes in memory before it is loaded.
type Plan struct {
	Weights       int64 // bytes of the weights on the device
	Files         int64 // bytes of the weights in the folder
	KVBits        int
	KVPerToken    int64 // bytes of one position over all layers
	BlockTokens   int
	BlockBytes    int64
	Blocks        int
	PoolBytes     int64 // Blocks * BlockBytes
	ContextBlocks int   // blocks of one agent that fills the context
	// Uncovered says why the model runs on MLX's operations and not on the kernels of this
	// program; empty if it does run on them.
	Uncovered string
}

// DefaultBlockTokens is the block size when Options leave it open.
const DefaultBlockTokens = 32

// MemoryPlan computes the plan of a folder on the CPU.
func (f *Folder) MemoryPlan(o Options) Plan {
	uncovered := f.Uncovered(o)
	form := o.kvForm(uncovered == "")
	p := Plan{
		Uncovered: uncovered, KVBits: form.bits,
		BlockTokens: form.blockTokens, BlockBytes: form.blockBytes(f.Spec),
		Blocks: o.Blocks,
	}
	p.KVPerToken = (p.BlockBytes + int64(p.BlockTokens) - 1) / int64(p.BlockTokens)
	for _, t := range f.tensors() {
		p.Files += t.Bytes
		p.Weights += loaded(t, uncovered == "")
	}
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

// Check says what is wrong with options, as far as that can be known without loading.
func (f *Folder) Check(o Options) error {
	err := o.validate()
	if err == nil {
		_, err = f.checkedPlan(o)
	}
	if err != nil {
		return fmt.Errorf("model %s: %w", f.Name, err)
	}
	return nil
}

// maxBlocks keeps block ids and MLX's dimensions within an int32.
const maxBlocks = 1 << 24

// loaded is what a tensor takes in memory on the CPU. The kernels take weights as they are, in
// panels of sixteen outputs, and vectors in float32; MLX's operations are only exact in float32.
func loaded(t Tensor, kernels bool) int64 {
	if kernels && len(t.Shape) == 2 {
		return t.Bytes / t.Shape[0] * int64(roundUp(int(t.Shape[0]), 16))
	}
	if t.DType == "F16" || t.DType == "BF16" {
		return 2 * t.Bytes
	}
	return t.Bytes
}
