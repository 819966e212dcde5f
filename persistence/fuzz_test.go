package persistence_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/storetest"
)

func files(f *testing.F, pattern string) [][]byte {
	names, err := filepath.Glob(pattern)
	require.NoError(f, err)
	require.NotEmpty(f, names)
	list := make([][]byte, len(names))
	for i, name := range names {
		list[i], err = os.ReadFile(name)
		require.NoError(f, err)
	}
	return list
}

// FuzzManifest decodes bodies with a checksum that is right, which only an import from somebody else would have. What is accepted comes back as it is.
func FuzzManifest(f *testing.F) {
	for _, file := range files(f, "testdata/v1/agents/*") {
		f.Add(file[24:])
	}
	f.Add([]byte{0xdd, 0xff, 0xff, 0xff, 0xff})
	f.Add([]byte{0x81, 0xa6, 't', 'o', 'k', 'e', 'n', 's', 0xc6, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, body []byte) {
		m, again, err := persistence.DecodeManifest(persistence.Seal("troupe-a", 1, body))
		if err != nil {
			return
		}
		same, _, err := persistence.DecodeManifest(again)
		require.NoError(t, err)
		require.True(t, m.SavedAt.Equal(same.SavedAt))
		m.SavedAt = same.SavedAt
		require.Equal(t, m, same)
		require.LessOrEqual(t, m.Length, len(m.Tokens))
	})
}

// FuzzBlockFile reads files as they are, and with a checksum that is right. What is accepted is inside the file.
func FuzzBlockFile(f *testing.F) {
	for _, file := range files(f, "testdata/v1/blocks/*") {
		f.Add(file)
		f.Add(file[:256])
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		var key runtime.BlockKey
		if len(file) >= 136 {
			_, _ = hex.Decode(key[:], file[72:136])
		}
		if contents, err := persistence.ReadBlockFile(file, key); err == nil {
			require.True(t, bytes.HasSuffix(file, contents))
		}
		if len(file) < 144 {
			return
		}
		file = bytes.Clone(file)
		persistence.SumBlockFile(file)
		if contents, err := persistence.ReadBlockFile(file, key); err == nil {
			require.Equal(t, uint64(len(file)-len(contents)), 8+binary.LittleEndian.Uint64(file))
			file[len(file)-1]++
			_, err = persistence.ReadBlockFile(file, key)
			require.Error(t, err)
		}
	})
}

// FuzzImport imports anything. What is accepted comes back whole; what is not changes nothing.
func FuzzImport(f *testing.F) {
	disk := newMemFS()
	from, err := persistence.Open("mem", persistence.Options{FS: disk})
	require.NoError(f, err)
	for _, m := range []runtime.Manifest{turn("a", 1, 1, 1, 0), turn("b", 0, 0, 1, 0), {Agent: "c", Tag: "tag"}} {
		require.NoError(f, from.Save(m, func(i int) ([]byte, error) { return contentsOf(m.Blocks[i]), nil }))
		var b bytes.Buffer
		require.NoError(f, from.Export(&b, m.Agent))
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		d, err := persistence.Open("mem", persistence.Options{FS: newMemFS()})
		require.NoError(t, err)
		m, err := d.Import(bytes.NewReader(file), "x", "tag")
		if err != nil {
			require.Empty(t, d.List())
			require.Zero(t, d.Usage().Blocks)
			return
		}
		got, err := d.Manifest("x")
		require.NoError(t, err)
		require.Equal(t, m.Tokens, got.Tokens)
		require.Equal(t, m.Blocks, got.Blocks)
		for _, key := range got.Blocks {
			_, err := storetest.Contents(d, key)
			require.NoError(t, err)
		}
		var b bytes.Buffer
		require.NoError(t, d.Export(&b, "x"))
	})
}
