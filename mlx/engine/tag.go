package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"troupe/mlx"
)

// numerics is raised whenever the contents of a block change for the same
// tokens: another KV form, another order of sums, another kernel.
const numerics = "float16 blocks [kv_heads, block_tokens, head_dim], 1"

// tag names everything that the contents of a block depend on.
func tag(smallFiles, weights string, device mlx.Device, blockTokens int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\n%s\n%s\n%s\n%d\n", smallFiles, weights, numerics, device, blockTokens))
	return hex.EncodeToString(sum[:16])
}
