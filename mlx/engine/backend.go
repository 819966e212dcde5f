package engine

import (
	"troupe/mlx"
	"troupe/runtime"
)

// backend computes the steps of a model and holds its weights and its KV pool. There are
// two: kernels, our own for the CPU, and graph, made of MLX's operations, which runs
// everywhere and is the reference of the first.
type backend interface {
	// step computes rows that have been checked, and gives each its result. It is called
	// on the engine's thread. Results may point into memory that the next step overwrites.
	step(c *mlx.Context, rows []runtime.Row, results []runtime.Result) error

	// readBlock and writeBlock copy the contents of one block. They may be called from any goroutine.
	readBlock(b runtime.BlockID, dst []byte) error
	writeBlock(b runtime.BlockID, src []byte) error

	// tensors describes the contents of a block; numerics names everything but weights and
	// configuration that they depend on.
	tensors() []runtime.BlockTensor
	numerics() string

	close()
}

// place is where the tokens of a step go: which positions of which agents, and in
// which blocks their keys and values are written.
type place struct {
	tokens    []int32 // row after row, in order of position
	positions []int32 // of each token
	block     []int32 // where each token's KV is written: the block,
	slot      []int32 // and the position in it
	wants     []want  // rows that want logits, in order of row
}

// want is a row whose logits are computed.
type want struct {
	row   int // in the caller's order
	token int // index of its last token in place.tokens
	n     int // runtime.Row.Want
}

// add appends the tokens of a row and returns the index of its last one.
func (p *place) add(r *runtime.Row, blockTokens int) int {
	for i, token := range r.Tokens {
		at := r.Start + i
		p.tokens = append(p.tokens, token)
		p.positions = append(p.positions, int32(at))
		p.block = append(p.block, int32(r.Blocks[at/blockTokens]))
		p.slot = append(p.slot, int32(at%blockTokens))
	}
	return len(p.tokens) - 1
}

// ask notes the rows that want logits; last is the index of each row's last token.
func (p *place) ask(rows []runtime.Row, last []int) {
	for i, r := range rows {
		if r.Want != 0 {
			p.wants = append(p.wants, want{row: i, token: last[i], n: r.Want})
		}
	}
}
