package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// tag names everything that the contents of a block depend on.
func tag(smallFiles, weights, numerics string, blockTokens int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%d\n", smallFiles, weights, numerics, blockTokens))
	return hex.EncodeToString(sum[:16])
}
