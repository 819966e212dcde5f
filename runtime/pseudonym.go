package runtime

import (
	"crypto/sha256"
	"encoding/hex"
)

// Pseudonym is how an agent appears in logs: whoever knows its id finds its lines, and nobody reads the id from them. It has 12 hex digits; that of
// an anonymous agent, whose id is "", is empty.
func Pseudonym(agent string) string {
	if agent == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(agent))
	return hex.EncodeToString(sum[:6])
}
