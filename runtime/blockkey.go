package runtime

import (
	"crypto/sha256"
	"encoding/binary"
)

// NextKey returns the content address of a block: the hash of the tag of the engine, of the block before it (zero for the first) and of the tokens whose KV
// it holds. Equal keys mean equal contents: the hash is cryptographic, and a block's contents depend on nothing else. A partial block has the key of the
// tokens that it holds.
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
