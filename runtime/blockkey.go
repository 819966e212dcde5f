package runtime

import (
	"crypto/sha256"
	"encoding/binary"
)

// NextKey returns the content address of a block: the hash of the tag of the engine, of the block before it and of the tokens whose KV
// it holds. Equal keys mean equal contents: the hash is cryptographic, and a block's contents depend on nothing else. A partial block has the key of the
// tokens that it holds. The first block of a context has its [Root] before it.
func NextKey(tag string, before BlockKey, tokens []int32) BlockKey {
	head := sha256.Sum256([]byte(tag))
	b := make([]byte, 0, 2*len(before)+4*len(tokens))
	b = append(b, head[:]...)
	b = append(b, before[:]...)
	for _, t := range tokens {
		b = binary.LittleEndian.AppendUint32(b, uint32(t))
	}
	return sha256.Sum256(b)
}

// Root is what stands before the first block of whatever belongs to an owner, so that owners share no blocks: who could find another's would learn
// what that one had sent. It is zero for nobody in particular.
func Root(owner string) BlockKey {
	if owner == "" {
		return BlockKey{}
	}
	return sha256.Sum256([]byte("owner\x00" + owner))
}

// Chain returns the keys of the full blocks that tokens of an owner fill, given those of the first ones. It does not change known, and may share its memory.
func Chain(tag, owner string, blockTokens int, tokens []int32, known []BlockKey) []BlockKey {
	full := len(tokens) / blockTokens
	if len(known) >= full {
		return known[:full:full]
	}
	keys := append(make([]BlockKey, 0, full), known...)
	before := Root(owner)
	if len(keys) > 0 {
		before = keys[len(keys)-1]
	}
	for i := len(keys); i < full; i++ {
		before = NextKey(tag, before, tokens[i*blockTokens:(i+1)*blockTokens])
		keys = append(keys, before)
	}
	return keys
}

// Keys is Chain with the key of the last, partial block, if there is one.
func Keys(tag, owner string, blockTokens int, tokens []int32, known []BlockKey) []BlockKey {
	keys := Chain(tag, owner, blockTokens, tokens, known)
	full := len(keys)
	if full*blockTokens == len(tokens) {
		return keys
	}
	before := Root(owner)
	if full > 0 {
		before = keys[full-1]
	}
	return append(keys[:full:full], NextKey(tag, before, tokens[full*blockTokens:]))
}
