package persistence

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"troupe/runtime"
)

const (
	maxManifest  = 256 << 20 // bytes of a manifest's file
	maxName      = 1024      // bytes of an agent's id
	maxTag       = 1024
	keyBytes     = len(runtime.BlockKey{})
	manifestEnds = ".manifest"
	manifestKeys = 8 // in the body
)

// manifest is the body of a manifest's file, and Sizes what runtime.Manifest does not have.
type manifest struct {
	Agent   string    `msgpack:"agent"`
	Tag     string    `msgpack:"tag"`
	Tokens  []byte    `msgpack:"tokens"` // int32, little-endian
	Length  int64     `msgpack:"length"`
	Blocks  []byte    `msgpack:"blocks"` // keys, one after another
	Sizes   []byte    `msgpack:"sizes"`  // uint32, little-endian: bytes of each block's file
	SavedAt time.Time `msgpack:"saved_at"`
	Pinned  bool      `msgpack:"pinned"`
}

// manifestName returns the file of an agent's manifest. Ids may hold anything, so the name is a hash, and the id stands inside.
func manifestName(agent string) string {
	sum := sha256.Sum256([]byte(agent))
	return "agents/" + hex.EncodeToString(sum[:]) + manifestEnds
}

// checkManifest refuses what could not be read back.
func checkManifest(m *runtime.Manifest) error {
	switch {
	case m.Agent == "" || len(m.Agent) > maxName:
		return runtime.Errorf(runtime.Invalid, "an agent's id has 1 to %d bytes, not %d", maxName, len(m.Agent))
	case len(m.Tag) > maxTag:
		return runtime.Errorf(runtime.Invalid, "a tag has at most %d bytes, not %d", maxTag, len(m.Tag))
	case m.Length < 0 || m.Length > len(m.Tokens):
		return runtime.Errorf(runtime.Invalid, "%d positions of %d tokens", m.Length, len(m.Tokens))
	case 4*len(m.Tokens)+(keyBytes+4)*len(m.Blocks) > maxManifest/2:
		return runtime.Errorf(runtime.TooLarge, "%d tokens in %d blocks are more than a manifest holds", len(m.Tokens), len(m.Blocks))
	}
	return nil
}

// pack makes the body for a manifest that passes checkManifest.
func pack(m *runtime.Manifest, sizes []uint32) *manifest {
	p := &manifest{Agent: m.Agent, Tag: m.Tag, Length: int64(m.Length), SavedAt: m.SavedAt.Round(0).UTC(), Pinned: m.Pinned}
	p.Tokens = make([]byte, 0, 4*len(m.Tokens))
	for _, t := range m.Tokens {
		p.Tokens = binary.LittleEndian.AppendUint32(p.Tokens, uint32(t))
	}
	for i, key := range m.Blocks {
		p.Blocks = append(p.Blocks, key[:]...)
		p.Sizes = binary.LittleEndian.AppendUint32(p.Sizes, sizes[i])
	}
	return p
}

// encode returns the file.
func (p *manifest) encode() ([]byte, error) {
	body, err := msgpack.Marshal(p)
	if err != nil {
		return nil, err
	}
	return seal(agentMagic, body), nil
}

// decodeManifest checks and decodes a file. Whatever it returns without an error could have been encoded.
func decodeManifest(file []byte) (*manifest, error) {
	body, err := unseal(agentMagic, file)
	if err != nil {
		return nil, err
	}
	dec := msgpack.NewDecoder(bytes.NewReader(body))
	if n, err := dec.DecodeMapLen(); err != nil || n != manifestKeys { // a struct would also be read from an array, and with keys missing
		return nil, fmt.Errorf("%w: it is not a map of %d keys", errDamaged, manifestKeys)
	}
	dec.Reset(bytes.NewReader(body))
	dec.DisallowUnknownFields(true)
	p := new(manifest)
	if err := dec.Decode(p); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	if _, err := dec.PeekCode(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it goes on after its end", errDamaged)
	}
	n := len(p.Blocks) / keyBytes
	switch {
	case p.Agent == "", len(p.Agent) > maxName, len(p.Tag) > maxTag, len(p.Tokens)%4 != 0, len(p.Blocks) != n*keyBytes, len(p.Sizes) != 4*n,
		p.Length < 0, p.Length > int64(len(p.Tokens)/4):
		return nil, fmt.Errorf("%w: its parts do not fit together", errDamaged)
	}
	for i := range n {
		if size := p.size(i); size == 0 || size > maxBlockFile {
			return nil, fmt.Errorf("%w: a block of %d bytes", errDamaged, size)
		}
	}
	return p, nil
}

func (p *manifest) count() int { return len(p.Sizes) / 4 }

func (p *manifest) key(i int) runtime.BlockKey { return runtime.BlockKey(p.Blocks[i*keyBytes:]) }

func (p *manifest) size(i int) uint32 { return binary.LittleEndian.Uint32(p.Sizes[4*i:]) }

func (p *manifest) keys() []runtime.BlockKey {
	keys := make([]runtime.BlockKey, p.count())
	for i := range keys {
		keys[i] = p.key(i)
	}
	return keys
}

// whole returns the manifest as it was saved.
func (p *manifest) whole() runtime.Manifest {
	m := runtime.Manifest{Agent: p.Agent, Tag: p.Tag, Length: int(p.Length), SavedAt: p.SavedAt.UTC(), Pinned: p.Pinned}
	if len(p.Tokens) > 0 {
		m.Tokens = make([]int32, len(p.Tokens)/4)
	}
	for i := range m.Tokens {
		m.Tokens[i] = int32(binary.LittleEndian.Uint32(p.Tokens[4*i:]))
	}
	if p.count() > 0 {
		m.Blocks = p.keys()
	}
	return m
}

// summary returns what the index keeps of a manifest whose file takes so many bytes.
func (p *manifest) summary(file int64) runtime.Saved {
	s := runtime.Saved{Agent: p.Agent, Tag: p.Tag, Length: int(p.Length), Blocks: p.count(), SavedAt: p.SavedAt.UTC(), Pinned: p.Pinned}
	s.Bytes = file
	for i := range p.count() {
		s.Bytes += int64(p.size(i))
	}
	return s
}
