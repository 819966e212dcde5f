package persistence_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/storetest"
)

// testKey makes a key.
func testKey(n byte) *persistence.Key {
	var k persistence.Key
	for i := range k {
		k[i] = n + byte(i)*37
	}
	return &k
}

func TestParseKey(t *testing.T) {
	want := *testKey(7)
	raw := want[:]
	for _, file := range [][]byte{
		raw, []byte(hex.EncodeToString(raw)), []byte(strings.ToUpper(hex.EncodeToString(raw)) + "\n"), []byte(base64.StdEncoding.EncodeToString(raw) + "\r\n"),
		[]byte(base64.RawStdEncoding.EncodeToString(raw)), []byte(" " + base64.URLEncoding.EncodeToString(raw)), []byte(base64.RawURLEncoding.EncodeToString(raw) + "\n"),
	} {
		got, err := persistence.ParseKey(file)
		require.NoError(t, err, "%q", file)
		require.Equal(t, want, got)
	}
	for _, file := range []string{"", "\n", "secret", strings.Repeat("a", 31), strings.Repeat("ab", 16), strings.Repeat("z", 64), string(raw) + "\n", string(raw[:31]), strings.Repeat("0", 63), strings.Repeat("0", 66)} {
		_, err := persistence.ParseKey([]byte(file))
		require.Error(t, err, "%q", file)
		if file != "" {
			require.NotContains(t, err.Error(), file)
		}
	}
}

func TestKeyIsNotShown(t *testing.T) {
	key := *testKey(7)
	var log bytes.Buffer
	timeless := func(_ []string, a slog.Attr) slog.Attr { // a time has numbers of its own
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: timeless})).Info("x", "key", key)
	shown := fmt.Sprint(key, &key) + fmt.Sprintf("%v %+v %#v %s", key, key, key, key) + log.String()
	require.NotContains(t, shown, fmt.Sprint(key[1]))
	require.Equal(t, 7, strings.Count(shown, "(hidden)"))
}

// contentsOfFolder reads every file of a folder.
func contentsOfFolder(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+"/")] = string(b)
		return err
	}))
	return files
}

// TestEncryptedFolderSaysNothing looks for ids, tags, tokens, contents, and the hashes that name files otherwise.
func TestEncryptedFolderSaysNothing(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, persistence.Options{Key: testKey(1)})
	m := turn("a", 2, 2, 1, 0)
	m.Agent, m.Tag = "the-agents-name", "the-models-tag"
	m.Tokens = slices.Repeat([]int32{0x5ec2e7}, len(m.Tokens))
	require.NoError(t, d.Save(m, func(i int) ([]byte, error) { return contentsOf(m.Blocks[i]), nil }))
	tell := []string{m.Agent, m.Tag, "\xe7\xc2\x5e\x00", "of a block", "tokens", "dtype", "__metadata__", filepath.Base(fileOf(m.Agent))[:64]}
	for _, key := range m.Blocks {
		tell = append(tell, string(key[:]), hex.EncodeToString(key[:]))
	}
	files := contentsOfFolder(t, dir)
	require.Len(t, files, len(m.Blocks)+4, "blocks, manifest, wear, LOCK and SEALED")
	for name, contents := range files {
		for _, word := range tell {
			require.NotContains(t, name, word)
			require.NotContains(t, contents, word, name)
		}
	}
	require.NoError(t, d.Close())

	// The same words are found where nothing is encrypted, or this test would look for the wrong ones.
	plain := t.TempDir()
	d = open(t, plain, persistence.Options{})
	require.NoError(t, d.Save(m, func(i int) ([]byte, error) { return contentsOf(m.Blocks[i]), nil }))
	all := fmt.Sprint(contentsOfFolder(t, plain))
	for _, word := range tell {
		require.Contains(t, all, word)
	}
}

// TestImportIsSpooledSealed looks at the disk while an import waits for its client.
func TestImportIsSpooledSealed(t *testing.T) {
	from := prepare(t, 0)
	file := exported(t, from, "a")
	dir := t.TempDir()
	d := open(t, dir, persistence.Options{Key: testKey(1)})
	seen := 0
	_, err := d.Import(io.MultiReader(bytes.NewReader(file), watcher(func() {
		for name, contents := range contentsOfFolder(t, dir) {
			if strings.HasPrefix(name, "tmp/") {
				seen++
			}
			require.NotContains(t, contents, "of a block", name)
			require.NotContains(t, contents, "manifest", name)
		}
	})), "x", "tag")
	require.NoError(t, err)
	require.Equal(t, 1, seen)
	var again bytes.Buffer
	require.NoError(t, d.Export(&again, "x"))
	require.Contains(t, again.String(), "of a block", "what leaves is as it was")
}

type watcher func()

func (w watcher) Read([]byte) (int, error) {
	w()
	return 0, io.EOF
}

// TestKeyMustBeTheSame opens folders with the wrong key. Whatever it was, nothing changes.
func TestKeyMustBeTheSame(t *testing.T) {
	for _, c := range []struct {
		name      string
		was, then *persistence.Key
		said      string
	}{
		{"no key", testKey(1), nil, "it is encrypted and there is no key"},
		{"another key", testKey(1), testKey(2), "it is encrypted with another key"},
		{"a key too late", nil, testKey(1), "it has contents and is not encrypted"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			m := turn("a", 2, 1, 1, 0)
			d := open(t, dir, persistence.Options{Key: c.was})
			require.NoError(t, d.Save(m, func(i int) ([]byte, error) { return contentsOf(m.Blocks[i]), nil }))
			require.NoError(t, d.Close())
			before := contentsOfFolder(t, dir)
			_, err := persistence.Open(dir, persistence.Options{Key: c.then, Budget: 1})
			require.ErrorContains(t, err, c.said)
			require.Equal(t, before, contentsOfFolder(t, dir))
			d = open(t, dir, persistence.Options{Key: c.was})
			got, err := d.Manifest("a")
			require.NoError(t, err)
			require.Equal(t, m, got)
		})
	}
}

func TestSealedMarkIsChecked(t *testing.T) {
	w := prepareWith(t, 0, testKey(1))
	good := w.disk.all(".")["./SEALED"]
	require.NotEmpty(t, good)
	for bit := range 8 * len(good) {
		bad := slices.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		w.disk.put("SEALED", bad)
		w.disk.restart()
		require.ErrorContains(t, w.open(), "SEALED", "bit %d", bit)
	}
	w.disk.put("SEALED", persistence.Seal("troupe-k", 2, []byte("who knows")))
	w.disk.restart()
	require.ErrorContains(t, w.open(), "newer version of Troupe")
	require.NoError(t, w.disk.Remove("SEALED"))
	key := w.o.Key
	for _, w.o.Key = range []*persistence.Key{key, nil, testKey(2)} {
		w.disk.restart()
		require.ErrorContains(t, w.open(), "its file SEALED is missing")
		require.Empty(t, w.disk.all(".")["./SEALED"])
	}
	w.o.Key = key
	w.disk.put("SEALED", good)
	require.NoError(t, w.open())
	require.Zero(t, w.d.Usage().Quarantined)
	w.check()
	w.clean()
}

// TestEmptyFolderTakesAKey: one in which nothing is saved any more can begin to be encrypted.
func TestEmptyFolderTakesAKey(t *testing.T) {
	dir := t.TempDir()
	d := open(t, dir, persistence.Options{})
	require.NoError(t, d.Save(turn("a", 0, 0, 0, 0), nil))
	require.NoError(t, d.Delete("a"))
	require.NoError(t, d.Close())
	d = open(t, dir, persistence.Options{Key: testKey(1)})
	require.NoError(t, d.Save(turn("b", 0, 0, 0, 0), nil))
	require.NoError(t, d.Close())
	d = open(t, dir, persistence.Options{Key: testKey(1)})
	require.Len(t, d.List(), 1)
}

// TestSwappedFilesAreSetAside gives a file another one's name, each of them sealed with the right key.
func TestSwappedFilesAreSetAside(t *testing.T) {
	w := prepareWith(t, 0, testKey(1))
	a := turn("a", 2, 1, 2, 0)
	blocks := w.disk.all("blocks")
	w.disk.put(w.file(blockFileOf(a.Blocks[0])), blocks[w.file(blockFileOf(a.Blocks[1]))])
	_, err := storetest.Contents(w.d, a.Blocks[0])
	require.Equal(t, runtime.Unknown, runtime.KindOf(err))
	w.disk.put(w.file(fileOf("b")), w.disk.all("agents")[w.file(fileOf("c"))])
	_, err = w.d.Manifest("b")
	require.Equal(t, runtime.Unknown, runtime.KindOf(err))
	w.disk.put(w.file(fileOf("c")), blocks[w.file(blockFileOf(a.Blocks[1]))])
	_, err = w.d.Manifest("c")
	require.Equal(t, runtime.Unknown, runtime.KindOf(err))
	require.Equal(t, 3, w.d.Usage().Quarantined)
	require.Len(t, w.disk.all("quarantine"), 3)
	for name := range w.disk.all("quarantine") {
		require.True(t, strings.HasSuffix(name, ".sealed"), name)
	}
	w.disk.restart()
	require.NoError(t, w.open())
	_, err = w.d.Manifest("a")
	require.NoError(t, err)
}

// TestNamesOfAnotherKeyAreLeftAlone puts files into an encrypted folder that its key did not make.
func TestNamesOfAnotherKeyAreLeftAlone(t *testing.T) {
	w := prepareWith(t, 0, testKey(1))
	strange := []string{"agents/README", fileOf("b"), persistence.SealedName(testKey(2), fileOf("b"))}
	for _, name := range strange {
		w.disk.put(name, []byte("mine"))
	}
	w.disk.restart()
	require.NoError(t, w.open())
	w.check()
	for _, name := range strange {
		require.Equal(t, "mine", string(w.disk.all("agents")[name]))
	}
}

func TestSealedNames(t *testing.T) {
	key := testKey(1)
	seen := map[string]bool{}
	for _, name := range []string{fileOf("a"), fileOf("b"), "blocks" + strings.TrimSuffix(fileOf("a")[6:], "manifest") + "safetensors", "quarantine" + fileOf("c")[6:]} {
		sealed := persistence.SealedName(key, name)
		require.Equal(t, sealed, persistence.SealedName(key, name))
		require.False(t, seen[sealed])
		seen[sealed] = true
		require.Equal(t, filepath.Dir(name), filepath.Dir(sealed))
		require.NotContains(t, sealed, filepath.Base(name)[:16])
		plain, ok := persistence.UnsealName(*key, filepath.Base(sealed))
		require.True(t, ok)
		require.Equal(t, filepath.Base(name), plain)
		_, ok = persistence.UnsealName(*testKey(2), filepath.Base(sealed))
		require.False(t, ok)
		_, ok = persistence.UnsealName(*key, filepath.Base(name))
		require.False(t, ok)
	}
	for _, name := range []string{"tmp/1", "LOCK", "wear", "agents/README", "agents/" + strings.ToUpper(fileOf("a")[7:71]) + ".manifest"} {
		require.Equal(t, name, persistence.SealedName(key, name))
	}
}

// TestSealedFilesOfAllSizes writes and reads files around the borders of their chunks, in pieces of all kinds.
func TestSealedFilesOfAllSizes(t *testing.T) {
	const chunk = 64 << 10
	disk := newMemFS()
	require.NoError(t, disk.Mkdir("tmp"))
	sealed := persistence.Sealed(disk, *testKey(1))
	for _, size := range []int{0, 1, 15, 16, 17, chunk - 1, chunk, chunk + 1, 2*chunk - 1, 2 * chunk, 2*chunk + 1, 3*chunk + 100} {
		want := noise(size + 8)[:size]
		for _, step := range []int{1000, chunk, 5 * chunk} {
			name := fmt.Sprintf("tmp/%d-%d", size, step)
			f, err := sealed.Create(name)
			require.NoError(t, err)
			for part := range slices.Chunk(want, step) {
				_, err := f.Write(part)
				require.NoError(t, err)
			}
			require.NoError(t, f.Close())
			_, err = f.Write([]byte{1})
			require.Error(t, err)
			for how, wrap := range map[string]func(io.Reader) io.Reader{"all": func(r io.Reader) io.Reader { return r }, "half": iotest.HalfReader, "bytes": iotest.OneByteReader} {
				if how == "bytes" && size > chunk+1 {
					continue
				}
				f, err := sealed.Open(name)
				require.NoError(t, err)
				n, err := f.Size()
				require.NoError(t, err)
				require.EqualValues(t, size, n)
				got, err := io.ReadAll(wrap(f))
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got), "%s of %s", how, name)
				whole, err := sealed.Open(name)
				require.NoError(t, err)
				buffer := make([]byte, size)
				_, err = io.ReadFull(whole, buffer)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, buffer))
				require.NoError(t, whole.Close())
				require.NoError(t, f.Close())
			}
		}
	}
}

// TestSealedChunksStayInTheirPlace cuts files between chunks, swaps chunks, and takes some of another file.
func TestSealedChunksStayInTheirPlace(t *testing.T) {
	const head, chunk = 44, 64<<10 + 16
	disk := newMemFS()
	require.NoError(t, disk.Mkdir("tmp"))
	sealed := persistence.Sealed(disk, *testKey(1))
	for _, name := range []string{"tmp/a", "tmp/b"} {
		f, err := sealed.Create(name)
		require.NoError(t, err)
		_, err = f.Write(noise(3 * 64 << 10))
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	a, b := disk.all("tmp")["tmp/a"], disk.all("tmp")["tmp/b"]
	require.Len(t, a, head+3*chunk)
	require.NotEqual(t, a[head:], b[head:], "no two files are sealed alike")
	part := func(f []byte, i int) []byte { return f[head+i*chunk : head+(i+1)*chunk] }
	for name, bad := range map[string][]byte{
		"cut":     a[:head+2*chunk],
		"cut off": a[:head],
		"longer":  append(slices.Clone(a), part(a, 2)...),
		"swapped": slices.Concat(a[:head], part(a, 1), part(a, 0), part(a, 2)),
		"twice":   slices.Concat(a[:head], part(a, 0), part(a, 0), part(a, 2)),
		"mixed":   slices.Concat(a[:head], part(a, 0), part(b, 1), part(a, 2)),
		"head":    slices.Concat(b[:head], a[head:]),
	} {
		disk.put("tmp/bad", bad)
		f, err := sealed.Open("tmp/bad")
		require.NoError(t, err)
		_, err = io.ReadAll(f)
		require.ErrorContains(t, err, "damaged", name)
		require.NoError(t, f.Close())
	}
}

// FuzzSealedFile reads any bytes as a sealed file, and any plaintext through one.
func FuzzSealedFile(f *testing.F) {
	key := *testKey(1)
	disk := newMemFS()
	require.NoError(f, disk.Mkdir("tmp"))
	sealed := persistence.Sealed(disk, key)
	seal := func(t testing.TB, plain []byte) []byte {
		disk := newMemFS()
		require.NoError(t, disk.Mkdir("tmp"))
		file, err := persistence.Sealed(disk, key).Create("tmp/x")
		require.NoError(t, err)
		_, err = file.Write(plain)
		require.NoError(t, err)
		require.NoError(t, file.Close())
		return disk.all("tmp")["tmp/x"]
	}
	good := seal(f, []byte("hello"))
	f.Add(good)
	f.Add(good[:44])
	f.Add(seal(f, nil))
	f.Add(seal(f, noise(65<<10)))
	f.Fuzz(func(t *testing.T, b []byte) {
		disk.put("tmp/x", b)
		file, err := sealed.Open("tmp/x")
		require.NoError(t, err)
		plain, err := io.ReadAll(file)
		require.NoError(t, file.Close())
		if err == nil {
			require.Len(t, b, 44+len(plain)+16*max(1, (len(plain)+64<<10-1)/(64<<10)))
			require.True(t, bytes.Equal(b[:12], good[:12]))
		}
		disk.put("tmp/x", seal(t, b))
		file, err = sealed.Open("tmp/x")
		require.NoError(t, err)
		plain, err = io.ReadAll(file)
		require.NoError(t, err)
		require.True(t, bytes.Equal(b, plain))
		require.NoError(t, file.Close())
	})
}

// FuzzSealedName reads any name in a folder. One that is accepted is the only one of what it stands for, and those of another key are not.
func FuzzSealedName(f *testing.F) {
	key, other := *testKey(1), *testKey(2)
	f.Add("README")
	f.Add(filepath.Base(fileOf("a")))
	f.Add(filepath.Base(persistence.SealedName(&key, fileOf("a"))))
	f.Add(strings.ToUpper(filepath.Base(persistence.SealedName(&key, fileOf("a")))))
	f.Fuzz(func(t *testing.T, name string) {
		plain, ok := persistence.UnsealName(key, name)
		if ok && !strings.Contains(name, "/") {
			require.Equal(t, name, persistence.SealedName(&key, plain))
		}
		if _, also := persistence.UnsealName(other, name); ok && also {
			require.Equal(t, plain, name, "nobody's")
		}
	})
}

// FuzzParseKey reads any file as a key. One that is accepted is the key that it spells.
func FuzzParseKey(f *testing.F) {
	raw := testKey(7)[:]
	f.Add(raw)
	f.Add([]byte(hex.EncodeToString(raw) + "\n"))
	f.Add([]byte(base64.StdEncoding.EncodeToString(raw)))
	f.Add([]byte(base64.RawURLEncoding.EncodeToString(raw)))
	f.Fuzz(func(t *testing.T, file []byte) {
		key, err := persistence.ParseKey(file)
		if err != nil {
			return
		}
		for _, again := range []string{hex.EncodeToString(key[:]), base64.StdEncoding.EncodeToString(key[:])} {
			same, err := persistence.ParseKey([]byte(again))
			require.NoError(t, err)
			require.Equal(t, key, same)
		}
	})
}
