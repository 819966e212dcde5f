package tokenizer

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync/atomic"
)

const (
	cacheSlots    = 1 << 15
	maxCachedWord = 64 // bytes
)

// wordCache remembers the ids of words. Every word has one slot, which the newest word
// takes: the memory is bounded (about 6 MB when full) and no lock is needed.
type wordCache struct {
	seed  maphash.Seed
	slots [cacheSlots]atomic.Pointer[cachedWord]
}

type cachedWord struct {
	word string
	ids  []int32
}

func newWordCache() *wordCache { return &wordCache{seed: maphash.MakeSeed()} }

// get returns the ids of word, which the caller must not change, or nil.
func (c *wordCache) get(word string) []int32 {
	if len(word) > maxCachedWord {
		return nil
	}
	if e := c.slot(word).Load(); e != nil && e.word == word {
		return e.ids
	}
	return nil
}

// put copies word and ids. Long words and empty answers are not kept.
func (c *wordCache) put(word string, ids []int32) {
	if len(word) > maxCachedWord || len(ids) == 0 {
		return
	}
	c.slot(word).Store(&cachedWord{strings.Clone(word), slices.Clone(ids)})
}

func (c *wordCache) slot(word string) *atomic.Pointer[cachedWord] {
	return &c.slots[maphash.String(c.seed, word)%cacheSlots]
}
