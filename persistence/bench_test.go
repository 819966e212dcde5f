package persistence_test

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/persistence"
	core "troupe/runtime"
	"troupe/runtime/storetest"
)

// shapes are blocks as they come: of 32 tokens of a model of 1B parameters at 16 and at 4 bits, and of the starter model.
var shapes = []struct {
	name   string
	bytes  int
	blocks []int // new ones of a save
}{
	{"1B-16bit", 1 << 20, []int{1, 16, 256}},
	{"1B-4bit", 288 << 10, []int{1, 16, 256}},
	{"starter", 24 << 10, []int{1, 16, 256}},
}

// long makes an agent of n blocks of 32 tokens that nobody else has.
func long(id, n int) core.Manifest {
	m := core.Manifest{Agent: fmt.Sprint("agent ", id), Tag: "tag", Length: 32 * n, SavedAt: time.Unix(int64(id), 0)}
	var key core.BlockKey
	for i := range n {
		for t := range 32 {
			m.Tokens = append(m.Tokens, int32(id<<16+i<<5+t))
		}
		key = core.NextKey(m.Tag, key, m.Tokens[32*i:])
		m.Blocks = append(m.Blocks, key)
	}
	return m
}

func noise(n int) []byte {
	b := make([]byte, n)
	for i := range n / 8 {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(i)*0x9e3779b97f4a7c15)
	}
	return b
}

// tensorsOf gives the header the size that it has for 16 layers.
func tensorsOf(bytes int) (list []core.BlockTensor) {
	for i := range 32 {
		list = append(list, core.BlockTensor{Name: fmt.Sprintf("layers.%d.%d", i/2, i%2), DType: "U8", Shape: []int{8, 32, bytes / 32 / 256}})
	}
	return list
}

func benchStore(b *testing.B, bytes int, key *persistence.Key) *persistence.Disk {
	d, err := persistence.Open(b.TempDir(), persistence.Options{Key: key})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, d.Close()) })
	require.NoError(b, d.Use("tag", tensorsOf(bytes)))
	return d
}

// BenchmarkSave saves new blocks; raw writes and syncs the same bytes as one file.
func BenchmarkSave(b *testing.B) {
	for _, s := range shapes {
		contents := noise(s.bytes)
		for _, n := range s.blocks {
			b.Run(fmt.Sprintf("%s/%d/raw", s.name, n), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "file")
				b.SetBytes(int64(n * s.bytes))
				for b.Loop() {
					f, err := os.Create(path)
					require.NoError(b, err)
					for range n {
						_, err = f.Write(contents)
						require.NoError(b, err)
					}
					require.NoError(b, f.Sync())
					require.NoError(b, f.Close())
					b.StopTimer()
					require.NoError(b, os.Remove(path))
					b.StartTimer()
				}
			})
			b.Run(fmt.Sprintf("%s/%d/store", s.name, n), func(b *testing.B) {
				d := benchStore(b, s.bytes, nil)
				b.SetBytes(int64(n * s.bytes))
				i := 0
				for b.Loop() {
					m := long(i, n)
					require.NoError(b, d.Save(m, func(int) ([]byte, error) { return contents, nil }))
					b.StopTimer()
					require.NoError(b, d.Delete(m.Agent))
					i++
					b.StartTimer()
				}
			})
		}
	}
}

// BenchmarkLoad reads an agent of 256 blocks from the page cache; raw reads the same files and checks nothing; encrypted has a key.
func BenchmarkLoad(b *testing.B) {
	const n = 256
	for _, s := range shapes {
		d, sealed := benchStore(b, s.bytes, nil), benchStore(b, s.bytes, testKey(1))
		contents := noise(s.bytes)
		m := long(1, n)
		for _, d := range []*persistence.Disk{d, sealed} {
			require.NoError(b, d.Save(m, func(int) ([]byte, error) { return contents, nil }))
		}
		b.Run(s.name+"/raw", func(b *testing.B) {
			b.SetBytes(int64(n * s.bytes))
			for b.Loop() {
				for _, key := range m.Blocks {
					_, err := os.ReadFile(filepath.Join(d.Path(), blockFileOf(key)))
					require.NoError(b, err)
				}
			}
		})
		for name, d := range map[string]*persistence.Disk{"store": d, "encrypted": sealed} {
			b.Run(s.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(n * s.bytes))
				for b.Loop() {
					got, err := d.Manifest(m.Agent)
					require.NoError(b, err)
					for _, key := range got.Blocks {
						_, err := storetest.Contents(d, key)
						require.NoError(b, err)
					}
				}
			})
		}
	}
}
