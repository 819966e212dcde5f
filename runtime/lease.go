package runtime

import "fmt"

// Lease is the block table of one agent: which blocks hold its KV, in order of position, and how many positions are valid.
//
// Invariant: 0 <= Length <= len(Blocks)*BlockTokens. It has one owner at a time: the agent, or, between Lend and Return, the batcher.
type Lease struct {
	Blocks      []BlockID
	Length      int // positions whose KV is valid
	BlockTokens int
}

// Capacity returns how many positions the blocks can hold.
func (l *Lease) Capacity() int { return len(l.Blocks) * l.BlockTokens }

// Room returns how many more positions fit.
func (l *Lease) Room() int { return l.Capacity() - l.Length }

// Extend adds blocks at the end.
func (l *Lease) Extend(blocks []BlockID) { l.Blocks = append(l.Blocks, blocks...) }

// Advance makes n more positions valid. It panics if they do not fit: the batcher wrote outside its lease.
func (l *Lease) Advance(n int) {
	if n < 0 || n > l.Room() {
		panic(fmt.Sprintf("runtime: lease of %d positions cannot advance from %d by %d", l.Capacity(), l.Length, n))
	}
	l.Length += n
}

// Truncate keeps the first length positions, or all if there are fewer, and returns the blocks that hold none of them.
func (l *Lease) Truncate(length int) []BlockID {
	l.Length = min(l.Length, length)
	keep := (l.Length + l.BlockTokens - 1) / l.BlockTokens
	surplus := append([]BlockID(nil), l.Blocks[keep:]...)
	l.Blocks = l.Blocks[:keep]
	return surplus
}

// CommonPrefix returns how many tokens a and b have in common at their start.
func CommonPrefix(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
