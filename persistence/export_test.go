package persistence

import (
	"bytes"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"troupe/runtime"
)

// For tests of the parsers.
func DecodeManifest(file []byte) (runtime.Manifest, []byte, error) {
	p, err := decodeManifest(file)
	if err != nil {
		return runtime.Manifest{}, nil, err
	}
	again, err := p.encode()
	return p.whole(), again, err
}

// ReadBlockFile reads a block's file and returns its contents.
func ReadBlockFile(file []byte, key runtime.BlockKey) ([]byte, error) {
	b, contents, err := readBlockFile(bytes.NewReader(file), int64(len(file)), key)
	if err != nil {
		return nil, err
	}
	return b[contents:], nil
}

// SumBlockFile gives a block's file the right checksum.
func SumBlockFile(file []byte) {
	var d xxhash.Digest
	d.Reset()
	sumStart(&d, file)
	putSum(file, &d)
}

// Seal makes an envelope of any version.
func Seal(magic string, version uint32, body []byte) []byte {
	b := seal(magic, body)
	binary.LittleEndian.PutUint32(b[8:], version)
	binary.LittleEndian.PutUint64(b[16:], xxhash.Sum64(append(append([]byte{}, b[:16]...), body...)))
	return b
}

// SealedName returns the name on disk of a file of a folder that is encrypted with key, or not if it is nil.
func SealedName(key *Key, name string) string {
	if key == nil {
		return name
	}
	return newSealedNames(*key).seal(name)
}

// UnsealName is the reverse of SealedName for a name within its folder.
func UnsealName(key Key, name string) (string, bool) { return newSealedNames(key).open(name) }

// Sealed is the FS between an encrypted store and its folder.
func Sealed(below FS, key Key) FS { return newSealedFS(below, key) }
