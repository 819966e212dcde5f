package persistence_test

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/storetest"
)

// The agents of testdata/v1. It was written by format 1 and is never written again.
var (
	v1Tensors = []runtime.BlockTensor{{Name: "layers.0.keys", DType: "F16", Shape: []int{2, 4, 8}}, {Name: "layers.0.values", DType: "U8", Shape: []int{2, 4, 8}}}
	v1Agents  = []runtime.Manifest{
		v1Agent("ada", "model/1", 10, false),
		v1Agent("b/../ö", "model/1", 8, true), // shares both its blocks with ada
		v1Agent("other", "model/2 <&>", 3, false),
		{Agent: "empty", Tag: "model/1", SavedAt: time.Date(2026, 2, 3, 4, 5, 6, 7, time.UTC)},
	}
)

// v1Agent makes an agent of n tokens in blocks of 4. One more token is known than is in the blocks.
func v1Agent(id, tag string, n int, pinned bool) runtime.Manifest {
	m := runtime.Manifest{Agent: id, Tag: tag, Length: n, SavedAt: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Pinned: pinned}
	for i := range n + 1 {
		m.Tokens = append(m.Tokens, int32(i*1000))
	}
	var key runtime.BlockKey
	for at := 0; at < n; at += 4 {
		key = runtime.NextKey(tag, key, m.Tokens[at:min(at+4, n)])
		m.Blocks = append(m.Blocks, key)
	}
	return m
}

// v1Block returns the contents of a block of testdata/v1.
func v1Block(key runtime.BlockKey) []byte {
	b := make([]byte, 192)
	for i := range b {
		b[i] = key[i%32] + byte(i)
	}
	return b
}

func TestFormat1IsReadForEver(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/v1")))
	d := open(t, dir, persistence.Options{})
	require.Len(t, d.List(), len(v1Agents))
	for _, want := range v1Agents {
		got, err := d.Manifest(want.Agent)
		require.NoError(t, err)
		require.Equal(t, want, got)
		for _, key := range got.Blocks {
			contents, err := storetest.Contents(d, key)
			require.NoError(t, err)
			require.Equal(t, v1Block(key), contents)
		}
	}
	require.Equal(t, 4, d.Usage().Blocks)
	require.EqualValues(t, 123456789, d.Usage().Written)
	require.Zero(t, d.Usage().Quarantined)
}

// TestFormat1IsWritten goes when a format 2 is written.
func TestFormat1IsWritten(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, persistence.Options{})
	require.NoError(t, d.Use("model/1", v1Tensors))
	for _, m := range v1Agents {
		require.NoError(t, d.Save(m, func(i int) ([]byte, error) { return v1Block(m.Blocks[i]), nil }))
	}
	for _, sub := range []string{"agents", "blocks"} {
		want, err := os.ReadDir(filepath.Join("testdata/v1", sub))
		require.NoError(t, err)
		got, err := os.ReadDir(filepath.Join(dir, sub))
		require.NoError(t, err)
		require.Len(t, got, len(want))
		for i := range want {
			require.Equal(t, want[i].Name(), got[i].Name())
			a, err := os.ReadFile(filepath.Join("testdata/v1", sub, want[i].Name()))
			require.NoError(t, err)
			b, err := os.ReadFile(filepath.Join(dir, sub, got[i].Name()))
			require.NoError(t, err)
			require.Equal(t, a, b, want[i].Name())
		}
	}
}

func TestManifestIsAMapOfItsKeysAndNoOthers(t *testing.T) {
	whole := map[string]any{
		"agent": "a", "tag": "t", "tokens": []byte{}, "length": 0, "blocks": nil, "sizes": nil, "saved_at": time.Unix(1, 0), "pinned": false,
	}
	decode := func(body any) error {
		b, err := msgpack.Marshal(body)
		require.NoError(t, err)
		_, _, err = persistence.DecodeManifest(persistence.Seal("troupe-a", 1, b))
		return err
	}
	require.NoError(t, decode(whole))
	for key := range whole {
		fewer := maps.Clone(whole)
		delete(fewer, key)
		require.ErrorContains(t, decode(fewer), "damaged", "without %s", key)
		fewer["other"] = whole[key]
		require.ErrorContains(t, decode(fewer), "damaged", "with another key for %s", key)
	}
	require.ErrorContains(t, decode([]any{"a", "t", []byte{}, 0, nil, nil, time.Unix(1, 0), false}), "damaged", "an array")
	require.ErrorContains(t, decode(nil), "damaged")
}

// TestBlocksAreSafetensors reads the files as any other program would.
func TestBlocksAreSafetensors(t *testing.T) {
	type tensor struct {
		DType    string
		Shape    []int
		Offsets  []int             `json:"data_offsets"`
		Metadata map[string]string `json:"-"`
	}
	files, err := filepath.Glob("testdata/v1/blocks/*")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, name := range files {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		length := binary.LittleEndian.Uint64(file)
		header, contents := file[8:8+length], file[8+length:]
		require.Zero(t, (8+length)%64)
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(header, &all))
		var meta map[string]string
		require.NoError(t, json.Unmarshal(all["__metadata__"], &meta))
		delete(all, "__metadata__")
		require.Equal(t, strings.TrimSuffix(filepath.Base(name), ".safetensors"), meta["key"])
		require.Equal(t, meta["xxh64"], string(file[47:63]))
		require.Equal(t, meta["key"], string(file[72:136]))
		require.True(t, strings.HasPrefix(string(file[136:]), `","tag":"`))
		tensors := map[string]tensor{}
		for name, raw := range all {
			var x tensor
			require.NoError(t, json.Unmarshal(raw, &x))
			tensors[name] = x
		}
		if meta["tag"] == "model/1" {
			require.Equal(t, map[string]tensor{
				"layers.0.keys":   {DType: "F16", Shape: []int{2, 4, 8}, Offsets: []int{0, 128}},
				"layers.0.values": {DType: "U8", Shape: []int{2, 4, 8}, Offsets: []int{128, 192}},
			}, tensors)
		} else {
			require.Equal(t, "model/2 <&>", meta["tag"])
			require.Equal(t, map[string]tensor{"block": {DType: "U8", Shape: []int{192}, Offsets: []int{0, 192}}}, tensors)
		}
		key, err := hex.DecodeString(meta["key"])
		require.NoError(t, err)
		require.Equal(t, v1Block(runtime.BlockKey(key)), contents)
	}
}

func TestUseRefusesNonsense(t *testing.T) {
	d := open(t, t.TempDir(), persistence.Options{})
	for _, tensors := range [][]runtime.BlockTensor{
		{{Name: "a", DType: "F17", Shape: []int{1}}},
		{{Name: "a", DType: "U8", Shape: []int{1}}, {Name: "a", DType: "U8", Shape: []int{1}}},
		{{Name: "__metadata__", DType: "U8", Shape: []int{1}}},
		{{Name: "a", DType: "U8", Shape: []int{-1}}},
		{{Name: "a", DType: "F64", Shape: []int{1 << 20, 1 << 20}}},
	} {
		require.Error(t, d.Use("tag", tensors), "%v", tensors)
	}
}

// TestAnyBitFlipIsFound flips every bit of a manifest and of a block in turn, and cuts them at every length.
func TestAnyBitFlipIsFound(t *testing.T) {
	t.Run("plain", func(t *testing.T) { anyBitFlip(t, nil) })
	t.Run("encrypted", func(t *testing.T) { anyBitFlip(t, testKey(1)) })
}

func anyBitFlip(t *testing.T, key *persistence.Key) {
	disk := newMemFS()
	d := open(t, "mem", persistence.Options{FS: disk, Key: key})
	m := v1Agents[0]
	require.NoError(t, d.Save(m, func(i int) ([]byte, error) { return v1Block(m.Blocks[i]), nil }))
	check := func(name string, read func() error) {
		good := disk.all(filepath.Dir(name))[name]
		require.NotEmpty(t, good)
		for bit := range 8 * len(good) {
			bad := slices.Clone(good)
			bad[bit/8] ^= 1 << (bit % 8)
			disk.put(name, bad)
			require.Equal(t, runtime.Unknown, runtime.KindOf(read()), "bit %d of %s", bit, name)
			require.NotContains(t, disk.all(filepath.Dir(name)), name, "it is in quarantine")
		}
		for n := range len(good) {
			disk.put(name, good[:n])
			require.Equal(t, runtime.Unknown, runtime.KindOf(read()), "%d bytes of %s", n, name)
		}
		disk.put(name, append(slices.Clone(good), 0))
		require.Equal(t, runtime.Unknown, runtime.KindOf(read()), "one byte more")
		disk.put(name, good)
		require.NoError(t, read())
	}
	check(persistence.SealedName(key, blockFileOf(m.Blocks[0])), func() error { _, err := storetest.Contents(d, m.Blocks[0]); return err })
	check(persistence.SealedName(key, fileOf(m.Agent)), func() error { _, err := d.Manifest(m.Agent); return err })
	require.LessOrEqual(t, len(disk.all("quarantine")), 16)
}
