package tokenizer

import (
	"fmt"
	"sync"
	"unicode/utf8"
)

// smallWord is the number of symbols up to which scanning for the best pair beats a
// heap.
const smallWord = 24

// bpe is a byte-pair encoding model. It is immutable but for cache and scratch, which
// are safe for concurrent use.
type bpe struct {
	vocab        map[string]int32
	merges       mergeTable
	runes        runeIDs         // the initial symbols
	crossed      map[uint64]bool // character pairs that some merge joins; see pieces
	bytes        [256]int32      // ids of <0x00> … <0xFF>; -1 for none
	fallback     bool            // spell unknown characters by their bytes
	unk          int32           // -1: unknown characters vanish
	fuse         bool            // a run of unknown characters is one unk
	ignoreMerges bool            // a word that is in the vocabulary is its own token
	raw          bool            // words come as raw bytes and are spelt in the byte alphabet here

	cache   *wordCache
	scratch sync.Pool // of *scratch
}

// newBPE checks merges against vocab. A merge may be "left right" or [left, right].
func newBPE(vocab map[string]int32, merges []mergePair) (*bpe, error) {
	m := &bpe{
		vocab:   vocab,
		merges:  newMergeTable(len(merges)),
		runes:   newRuneIDs(vocab),
		crossed: map[uint64]bool{},
		unk:     -1,
		cache:   newWordCache(),
	}
	m.scratch.New = func() any { return new(scratch) }
	var joined []byte
	for rank, p := range merges {
		left, ok := vocab[p.left]
		if !ok {
			return nil, fmt.Errorf("merge %d: %q is not in the vocabulary", rank, p.left)
		}
		right, ok := vocab[p.right]
		if !ok {
			return nil, fmt.Errorf("merge %d: %q is not in the vocabulary", rank, p.right)
		}
		joined = append(append(joined[:0], p.left...), p.right...)
		id, ok := vocab[string(joined)]
		if !ok {
			return nil, fmt.Errorf("merge %d: %q is not in the vocabulary", rank, joined)
		}
		m.merges.put(left, right, merge{rank: int32(rank), id: id})
		last, _ := utf8.DecodeLastRuneInString(p.left)
		first, _ := utf8.DecodeRuneInString(p.right)
		m.crossed[pairKey(last, first)] = true
	}
	for b := range m.bytes {
		m.bytes[b] = -1
		if id, ok := vocab[fmt.Sprintf("<0x%02X>", b)]; ok {
			m.bytes[b] = id
		}
	}
	return m, nil
}

func pairKey(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) }

// encode appends the ids of one word.
func (m *bpe) encode(out []int32, word string) []int32 {
	if ids := m.cache.get(word); ids != nil {
		return append(out, ids...)
	}
	n, spelt := len(out), word
	if m.raw {
		spelt = toByteLevel(word)
	}
	if id, ok := m.vocab[spelt]; ok && m.ignoreMerges {
		out = append(out, id)
	} else if len(spelt) <= maxCachedWord {
		out = m.merge(out, spelt)
	} else {
		out = m.encodeLong(out, spelt)
	}
	m.cache.put(word, out[n:])
	return out
}

// encodeLong cuts a word between characters that no merge joins. The parts do not
// influence each other, so their tokens are those of the word; SentencePiece models,
// which take a whole text as one word, get words to cache this way.
func (m *bpe) encodeLong(out []int32, word string) []int32 {
	start, before := 0, rune(-1) // before: -1 if not an initial symbol
	for i, r := range word {
		known := m.runes.get(r) >= 0
		if known && before >= 0 && !m.crossed[pairKey(before, r)] {
			out = m.encodePart(out, word[start:i])
			start = i
		}
		if before = -1; known {
			before = r
		}
	}
	return m.encodePart(out, word[start:])
}

// encodePart encodes a part of a long word, which ignoreMerges does not concern.
func (m *bpe) encodePart(out []int32, part string) []int32 {
	if m.raw || m.ignoreMerges { // the cache holds other answers
		return m.merge(out, part)
	}
	if ids := m.cache.get(part); ids != nil {
		return append(out, ids...)
	}
	n := len(out)
	out = m.merge(out, part)
	m.cache.put(part, out[n:])
	return out
}

// merge appends the tokens of word: its initial symbols, joined by rank.
func (m *bpe) merge(out []int32, word string) []int32 {
	s := m.scratch.Get().(*scratch)
	s.ids = m.symbols(s.ids[:0], word)
	if len(s.ids) <= smallWord {
		out = append(out, s.mergeSmall(&m.merges)...)
	} else {
		out = s.mergeLarge(out, &m.merges)
	}
	if cap(s.ids) <= 1<<16 { // do not keep the memory of a giant
		m.scratch.Put(s)
	}
	return out
}

// symbols appends the initial symbols of word. As in the reference, an unknown
// character that is waiting to be fused comes after bytes that follow it.
func (m *bpe) symbols(ids []int32, word string) []int32 {
	waiting := false
	for i, r := range word {
		if id := m.runes.get(r); id >= 0 {
			if waiting {
				ids = append(ids, m.unk)
				waiting = false
			}
			ids = append(ids, id)
			continue
		}
		char := word[i : i+utf8.RuneLen(r)]
		if m.fallback && m.hasBytes(char) {
			for j := 0; j < len(char); j++ {
				ids = append(ids, m.bytes[char[j]])
			}
			continue
		}
		if m.unk < 0 {
			continue
		}
		if waiting && !m.fuse {
			ids = append(ids, m.unk)
		}
		waiting = true
	}
	if waiting {
		ids = append(ids, m.unk)
	}
	return ids
}

func (m *bpe) hasBytes(char string) bool {
	for i := 0; i < len(char); i++ {
		if m.bytes[char[i]] < 0 {
			return false
		}
	}
	return true
}

// runeIDs maps the characters that are vocabulary entries to their ids.
type runeIDs struct {
	low  [0x800]int32
	high map[rune]int32
}

func newRuneIDs(vocab map[string]int32) runeIDs {
	t := runeIDs{high: map[rune]int32{}}
	for i := range t.low {
		t.low[i] = -1
	}
	for s, id := range vocab {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case n == 0 || n != len(s):
		case int(r) < len(t.low):
			t.low[r] = id
		default:
			t.high[r] = id
		}
	}
	return t
}

// get returns -1 for a character that is not in the vocabulary.
func (t *runeIDs) get(r rune) int32 {
	if int(r) < len(t.low) {
		return t.low[r]
	}
	if id, ok := t.high[r]; ok {
		return id
	}
	return -1
}
