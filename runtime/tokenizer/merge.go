package tokenizer

import "math"

// merge is what a pair of symbols becomes. Pairs of lower rank are joined first.
type merge struct{ rank, id int32 }

// noMerge stands for a pair that is not joined.
const noMerge = math.MaxInt32

// mergeTable maps pairs of ids to merges: open addressing, linear probing, at most
// half full.
type mergeTable struct {
	keys []uint64 // freeKey where empty
	vals []merge
	mask uint64
}

const freeKey = math.MaxUint64 // ids are not negative, so no pair has this key

func newMergeTable(n int) mergeTable {
	size := 16
	for size < 2*n {
		size *= 2
	}
	t := mergeTable{keys: make([]uint64, size), vals: make([]merge, size), mask: uint64(size - 1)}
	for i := range t.keys {
		t.keys[i] = freeKey
	}
	return t
}

// slot returns where key is, or where it would go.
func (t *mergeTable) slot(key uint64) uint64 {
	h := key * 0x9E3779B97F4A7C15
	i := (h ^ h>>32) & t.mask
	for t.keys[i] != key && t.keys[i] != freeKey {
		i = (i + 1) & t.mask
	}
	return i
}

// put sets the merge of a pair. The table must have been made for as many pairs.
func (t *mergeTable) put(left, right int32, m merge) {
	i := t.slot(pairKey(left, right))
	t.keys[i], t.vals[i] = pairKey(left, right), m
}

// get returns rank noMerge for a pair without one.
func (t *mergeTable) get(left, right int32) merge {
	i := t.slot(pairKey(left, right))
	if t.keys[i] == freeKey {
		return merge{rank: noMerge}
	}
	return t.vals[i]
}

// scratch is the working memory of one merge.
type scratch struct {
	ids   []int32
	pairs []merge // pairs[i] joins ids[i] with what follows it
	links []link
	heap  pairHeap
}

type link struct{ prev, next int32 } // -1 at the ends

// mergeSmall joins s.ids by repeated search for the lowest rank, leftmost first.
func (s *scratch) mergeSmall(t *mergeTable) []int32 {
	ids, pairs := s.ids, s.pairs[:0]
	for i := 0; i+1 < len(ids); i++ {
		pairs = append(pairs, t.get(ids[i], ids[i+1]))
	}
	s.pairs = pairs
	for {
		best, rank := -1, int32(noMerge)
		for i, p := range pairs {
			if p.rank < rank {
				best, rank = i, p.rank
			}
		}
		if best < 0 {
			return ids
		}
		ids[best] = pairs[best].id
		ids = append(ids[:best+1], ids[best+2:]...)
		pairs = append(pairs[:best], pairs[best+1:]...)
		if best < len(pairs) {
			pairs[best] = t.get(ids[best], ids[best+1])
		}
		if best > 0 {
			pairs[best-1] = t.get(ids[best-1], ids[best])
		}
	}
}

// mergeLarge joins s.ids with a heap, in O(n log n), and appends the result to out.
func (s *scratch) mergeLarge(out []int32, t *mergeTable) []int32 {
	ids, n := s.ids, len(s.ids)
	s.pairs, s.links, s.heap = s.pairs[:0], s.links[:0], s.heap[:0]
	for i := range ids {
		p := merge{rank: noMerge}
		if i+1 < n {
			p = t.get(ids[i], ids[i+1])
		}
		s.pairs = append(s.pairs, p)
		s.links = append(s.links, link{int32(i - 1), int32(i + 1)})
		if p.rank != noMerge {
			s.heap = append(s.heap, heapKey(p.rank, i))
		}
	}
	s.links[n-1].next = -1
	s.heap.init()
	update := func(i, j int32) { // the pair of i and its neighbour j has changed
		p := merge{rank: noMerge}
		if j >= 0 {
			p = t.get(ids[i], ids[j])
		}
		s.pairs[i] = p
		if p.rank != noMerge {
			s.heap.push(heapKey(p.rank, int(i)))
		}
	}
	for len(s.heap) > 0 {
		rank, i := s.heap.pop()
		if s.pairs[i].rank != rank { // out of date
			continue
		}
		j := s.links[i].next
		after := s.links[j].next
		ids[i] = s.pairs[i].id
		s.pairs[j].rank = noMerge // j is gone
		s.links[i].next = after
		if after >= 0 {
			s.links[after].prev = i
		}
		if before := s.links[i].prev; before >= 0 {
			update(before, i)
		}
		update(i, after)
	}
	for i := int32(0); i >= 0; i = s.links[i].next {
		out = append(out, ids[i])
	}
	return out
}

// pairHeap is a four-ary min-heap of ranks and positions, packed so that the order of
// the numbers is the order of merging: lower rank first, then further left.
type pairHeap []uint64

func heapKey(rank int32, pos int) uint64 { return uint64(rank)<<32 | uint64(pos) }

func (h pairHeap) init() {
	for i := (len(h) - 2) / 4; i >= 0 && len(h) > 1; i-- {
		h.down(i)
	}
}

func (h *pairHeap) push(key uint64) {
	*h = append(*h, key)
	a := *h
	i := len(a) - 1
	for i > 0 {
		up := (i - 1) / 4
		if a[up] <= key {
			break
		}
		a[i] = a[up]
		i = up
	}
	a[i] = key
}

func (h *pairHeap) pop() (rank, pos int32) {
	a := *h
	top, last := a[0], len(a)-1
	a[0] = a[last]
	*h = a[:last]
	if last > 1 {
		h.down(0)
	}
	return int32(top >> 32), int32(uint32(top))
}

func (h pairHeap) down(i int) {
	key := h[i]
	for {
		child := 4*i + 1
		if child >= len(h) {
			break
		}
		best := child
		for c := child + 1; c < min(child+4, len(h)); c++ {
			if h[c] < h[best] {
				best = c
			}
		}
		if key <= h[best] {
			break
		}
		h[i] = h[best]
		i = best
	}
	h[i] = key
}
