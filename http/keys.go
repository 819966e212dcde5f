package http

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
)

// maxKey is the length of the longest API key.
const maxKey = 512

// keyring are the keys that open a door. Only their hashes are kept. The zero value has none.
type keyring struct {
	digests [][sha256.Size]byte
}

// newKeyring makes a keyring of valid keys; an empty string is no key.
func newKeyring(keys ...string) keyring {
	var k keyring
	for _, key := range keys {
		if key != "" {
			k.digests = append(k.digests, sha256.Sum256([]byte(key)))
		}
	}
	return k
}

// empty reports whether there is no key, so that the door has no lock.
func (k keyring) empty() bool { return len(k.digests) == 0 }

// match returns which key was shown, the first of those shown counting. It takes the same time whichever it was, and if it was none.
func (k keyring) match(shown ...string) (index int, ok bool) {
	index = -1
	for _, s := range shown {
		digest := sha256.Sum256([]byte(s))
		for i := range k.digests {
			same := subtle.ConstantTimeCompare(digest[:], k.digests[i][:])
			first := subtle.ConstantTimeEq(int32(index), -1)
			index = subtle.ConstantTimeSelect(same&first, i, index)
		}
	}
	return index, index >= 0
}

// owner is the name of a key in the ids of agents, and says nothing about the key.
func (k keyring) owner(index int) string { return ownerName(k.digests[index]) }

// ownerOf is that name of a key.
func ownerOf(key string) string { return ownerName(sha256.Sum256([]byte(key))) }

func ownerName(digest [sha256.Size]byte) string { return hex.EncodeToString(digest[:8]) }

// validKey returns why a string cannot be a key. It does not repeat the string, which is a secret even if it is bad.
func validKey(key string) error {
	if key == "" || len(key) > maxKey {
		return fmt.Errorf("a key must have 1 to %d characters", maxKey)
	}
	for _, c := range []byte(key) {
		if c <= ' ' || c > '~' {
			return fmt.Errorf("a key must have printable ASCII characters only, and no spaces")
		}
	}
	return nil
}

// bearer returns the token of an Authorization header, and "" if it has another scheme.
func bearer(authorization string) string {
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
