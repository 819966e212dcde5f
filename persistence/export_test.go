package persistence

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// Seal makes an envelope of any version.
func Seal(magic string, version uint32, body []byte) []byte {
	b := seal(magic, body)
	binary.LittleEndian.PutUint32(b[8:], version)
	binary.LittleEndian.PutUint64(b[16:], xxhash.Sum64(append(append([]byte{}, b[:16]...), body...)))
	return b
}
