package persistence

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cespare/xxhash/v2"
)

// errDamaged marks contents that are not what was written.
var errDamaged = errors.New("damaged")

// errNewer marks a file of a version that this program does not know: it must be left alone.
var errNewer = errors.New("written by a newer version of Troupe")

const (
	envelopeBytes = 24
	version       = 1

	agentMagic = "troupe-a"
	wearMagic  = "troupe-w"
)

// seal puts a body into an envelope: magic, version, length and checksum. See FORMAT.md.
func seal(magic string, body []byte) []byte {
	b := make([]byte, 0, envelopeBytes+len(body))
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, version)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(body)))
	b = binary.LittleEndian.AppendUint64(b, envelopeSum(b, body))
	return append(b, body...)
}

// unseal checks an envelope, and only then returns its body, which is a part of b.
func unseal(magic string, b []byte) ([]byte, error) {
	if len(b) < envelopeBytes || string(b[:8]) != magic {
		return nil, fmt.Errorf("%w: it does not begin like one", errDamaged)
	}
	body := b[envelopeBytes:]
	if n := binary.LittleEndian.Uint32(b[12:]); int64(n) != int64(len(body)) {
		return nil, fmt.Errorf("%w: %d bytes follow its head, which says %d", errDamaged, len(body), n)
	}
	if binary.LittleEndian.Uint64(b[16:]) != envelopeSum(b[:16], body) {
		return nil, fmt.Errorf("%w: wrong checksum", errDamaged)
	}
	if v := binary.LittleEndian.Uint32(b[8:]); v != version {
		return nil, fmt.Errorf("%w: format %d, known is %d", errNewer, v, version)
	}
	return body, nil
}

func envelopeSum(head, body []byte) uint64 {
	var d xxhash.Digest
	d.Reset()
	d.Write(head) //nolint:errcheck // never fails
	d.Write(body) //nolint:errcheck // never fails
	return d.Sum64()
}
