package runtime

// prefixIndex finds full blocks by their contents. It keeps the loose ones, those that nobody refers to, in order of use. It is a part of the ledger,
// which says who refers to what.
type prefixIndex struct {
	blocks map[BlockKey]BlockID
	nodes  []indexNode // for each block; one more is the head of the ring of loose blocks, from the coldest to the warmest
	loose  int
}

type indexNode struct {
	key        BlockKey
	published  bool
	loose      bool
	next, prev BlockID
}

func newPrefixIndex(total int) prefixIndex {
	x := prefixIndex{blocks: map[BlockKey]BlockID{}, nodes: make([]indexNode, total+1)}
	x.nodes[total].next, x.nodes[total].prev = BlockID(total), BlockID(total)
	return x
}

func (x *prefixIndex) head() BlockID      { return BlockID(len(x.nodes) - 1) }
func (x *prefixIndex) coldest() BlockID   { return x.nodes[x.head()].next }
func (x *prefixIndex) has(b BlockID) bool { return x.nodes[b].published }
func (x *prefixIndex) keyOf(b BlockID) (BlockKey, bool) {
	return x.nodes[b].key, x.nodes[b].published
}

// add publishes a block unless its key or the block itself is published, and returns the block that has the key.
func (x *prefixIndex) add(b BlockID, key BlockKey) BlockID {
	if old, ok := x.blocks[key]; ok {
		return old
	}
	n := &x.nodes[b]
	if n.published {
		panic("runtime: a block is published with a second key")
	}
	n.key, n.published = key, true
	x.blocks[key] = b
	return b
}

func (x *prefixIndex) remove(b BlockID) {
	if n := &x.nodes[b]; n.published {
		x.tighten(b)
		delete(x.blocks, n.key)
		n.published = false
	}
}

// loosen adds a published block to the loose ones: as the coldest, or as the warmest.
func (x *prefixIndex) loosen(b BlockID, cold bool) {
	after := x.nodes[x.head()].prev
	if cold {
		after = x.head()
	}
	n := &x.nodes[b]
	n.loose, n.prev, n.next = true, after, x.nodes[after].next
	x.nodes[n.next].prev, x.nodes[after].next = b, b
	x.loose++
}

// tighten takes a block out of the loose ones, if it is there.
func (x *prefixIndex) tighten(b BlockID) {
	n := &x.nodes[b]
	if !n.loose {
		return
	}
	x.nodes[n.prev].next, x.nodes[n.next].prev = n.next, n.prev
	n.loose = false
	x.loose--
}

// walk counts the ring.
func (x *prefixIndex) walk() (n int) {
	for b := x.coldest(); b != x.head(); b = x.nodes[b].next {
		n++
	}
	return n
}
