package engine

import "fmt"

// kvForm is the form of the KV cache.
type kvForm struct {
	bits        int // 16, 8 or 4
	blockTokens int
	kernels     bool // laid out for the kernels, and not for MLX's operations
}

func (o *Options) kvForm(kernels bool) kvForm {
	f := kvForm{bits: o.KVBits, blockTokens: o.BlockTokens, kernels: kernels}
	if f.bits == 0 {
		f.bits = 16
	}
	if f.blockTokens == 0 {
		f.blockTokens = DefaultBlockTokens
	}
	return f
}

func (f kvForm) validate() error {
	if f.bits != 16 && f.bits != 8 && f.bits != 4 {
		return fmt.Errorf("KV of %d bits is not supported, only 16, 8 and 4", f.bits)
	}
	return between("block tokens", f.blockTokens, 1, 1<<12)
}

// keyBytes and valueBytes are the size of one KV head's part of a block. For the kernels they
// mirror key_bytes and value_bytes of mlx/kernels.h: sixteen positions make a vector of
// keys, and the numbers of a value are filled up to whole vectors.
func (f kvForm) keyBytes(headDim int) int {
	if !f.kernels {
		return f.plainBytes(headDim)
	}
	lanes := roundUp(f.blockTokens, 16)
	n := lanes * headDim * f.bits / 8
	if f.bits != 16 {
		n += lanes * kvGroups(headDim) * 4
	}
	return n
}

func (f kvForm) valueBytes(headDim int) int {
	if !f.kernels {
		return f.plainBytes(headDim)
	}
	switch f.bits {
	case 16:
		return f.blockTokens * roundUp(headDim, 16) * 2
	case 8:
		return f.blockTokens * (roundUp(headDim, 16) + 4*kvGroups(headDim))
	default:
		return f.blockTokens * (roundUp(headDim, 32)/2 + 4*kvGroups(headDim))
	}
}

// plainBytes is the size in the form of MLX's operations.
func (f kvForm) plainBytes(headDim int) int {
	n := f.blockTokens * headDim * f.bits / 8
	if group := mlxGroup(headDim); f.bits != 16 && group != 0 {
		n += f.blockTokens * headDim / group * 4
	}
	return n
}

// blockBytes is the size of a block over all layers.
func (f kvForm) blockBytes(s *Spec) int64 {
	var n int64
	for i := range s.Layers {
		a := &s.Layers[i].Attention
		n += int64(a.KVHeads) * int64(f.keyBytes(a.HeadDim)+f.valueBytes(a.HeadDim))
	}
	return n
}

// kvGroups is how many scales a key has in the form of the kernels.
func kvGroups(headDim int) int { return (headDim + 63) / 64 }

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
