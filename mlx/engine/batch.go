package engine

import (
	"math/bits"

	"troupe/runtime"
)

// batch is a step laid out for MLX's operations. The tokens of all rows are flattened
// and go through the linear layers together, group after group; attention goes
// group by group.
type batch struct {
	place
	groups []group
}

// group is rows of equally many tokens that attend in one call: decode rows of
// similar length, or a single prefill chunk.
type group struct {
	first  int // index of its first token in batch.tokens
	length int // tokens per row
	blocks int // blocks per row
	tables []int32
	ends   []int32 // of each row: positions that exist after this step
}

// newBatch lays out rows that have been checked.
func newBatch(rows []runtime.Row, info runtime.EngineInfo) *batch {
	b := &batch{}
	last := make([]int, len(rows))
	for _, members := range grouped(rows, info) {
		b.addGroup(rows, members, info, last)
	}
	b.ask(rows, last)
	return b
}

// grouped puts prefill chunks alone, and decode rows together whose numbers of
// blocks have the same power of two above them: so padding at most doubles what
// a row reads.
func grouped(rows []runtime.Row, info runtime.EngineInfo) [][]int {
	var groups [][]int
	byBlocks := map[int]int{} // power of two -> index in groups
	for i, r := range rows {
		if len(r.Tokens) > 1 {
			groups = append(groups, []int{i})
			continue
		}
		power := bits.Len(uint(info.BlocksFor(r.Start+1) - 1))
		at, ok := byBlocks[power]
		if !ok {
			at = len(groups)
			byBlocks[power] = at
			groups = append(groups, nil)
		}
		groups[at] = append(groups[at], i)
	}
	return groups
}

func (b *batch) addGroup(rows []runtime.Row, members []int, info runtime.EngineInfo, last []int) {
	g := group{first: len(b.tokens), length: len(rows[members[0]].Tokens)}
	for _, i := range members {
		end := rows[i].Start + len(rows[i].Tokens)
		g.blocks = max(g.blocks, info.BlocksFor(end))
		g.ends = append(g.ends, int32(end))
	}
	for _, i := range members {
		r := rows[i]
		for n := range g.blocks {
			// The padding is masked; the row's own first block is as good as any.
			at := 0
			if n < info.BlocksFor(r.Start+len(r.Tokens)) {
				at = n
			}
			g.tables = append(g.tables, int32(r.Blocks[at]))
		}
		last[i] = b.add(&r, info.BlockTokens)
	}
	b.groups = append(b.groups, g)
}

// keys is how many positions of a row attention looks at. A single row sees
// exactly those that exist; rows together are padded to whole blocks.
func (g *group) keys(blockTokens int) int {
	if len(g.ends) == 1 {
		return int(g.ends[0])
	}
	return g.blocks * blockTokens
}

// mask says which keys each token sees: [rows, 1, length, keys], or nil if all
// of them.
func (g *group) mask(window, blockTokens int) []bool {
	keys := g.keys(blockTokens)
	if len(g.ends) == 1 && g.length == 1 && (window == 0 || keys <= window) {
		return nil
	}
	mask := make([]bool, len(g.ends)*g.length*keys)
	for i := range mask[:len(g.ends)*g.length] {
		position := int(g.ends[i/g.length]) - g.length + i%g.length
		oldest := 0
		if window > 0 {
			oldest = max(0, position-window+1)
		}
		row := mask[i*keys : (i+1)*keys]
		for key := oldest; key <= position; key++ {
			row[key] = true
		}
	}
	return mask
}

// written says which keys hold something: [rows, 1, keys, 1], or nil if all do.
// The others are left over from earlier owners of the block and may be anything,
// NaN too, which a weight of zero would not silence.
func (g *group) written(blockTokens int) []bool {
	keys := g.keys(blockTokens)
	if len(g.ends) == 1 {
		return nil
	}
	valid := make([]bool, len(g.ends)*keys)
	for i, end := range g.ends {
		for key := range int(end) {
			valid[i*keys+key] = true
		}
	}
	return valid
}
