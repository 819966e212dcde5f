package persistence_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
	"troupe/runtime/storetest"
)

func exported(t *testing.T, w *world, id string) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, w.d.Export(&b, id))
	return b.Bytes()
}

func TestExportComesBackOnAnotherServer(t *testing.T) {
	from, to := prepare(t, 0), prepare(t, 0)
	m := turn("x", 2, 3, 1, 5)
	m.Pinned = true
	require.NoError(t, from.save(m))
	file := exported(t, from, "x")
	for _, id := range []string{"new", "b"} {
		got, err := to.d.Import(bytes.NewReader(file), id, "tag")
		require.NoError(t, err)
		want := m
		want.Agent, want.Pinned = id, false
		require.Equal(t, want, got)
		to.must[id] = []*runtime.Manifest{&want}
	}
	to.check()
	to.clean()
	to.disk.restart()
	require.NoError(t, to.open())
	to.check()
	to.clean()
}

func TestExportOfEmptyAgent(t *testing.T) {
	w := prepare(t, 0)
	m := runtime.Manifest{Agent: "x", Tag: "tag", Tokens: []int32{1, 2}}
	require.NoError(t, w.save(m))
	got, err := w.d.Import(bytes.NewReader(exported(t, w, "x")), "x", "tag")
	require.NoError(t, err)
	require.Equal(t, m, got)
}

func TestExportIsATar(t *testing.T) {
	w := prepare(t, 0)
	m := *w.must["a"][0]
	files := w.disk.all("blocks")
	r := tar.NewReader(bytes.NewReader(exported(t, w, "a")))
	h, err := r.Next()
	require.NoError(t, err)
	require.Equal(t, "manifest", h.Name)
	for _, key := range m.Blocks {
		h, err := r.Next()
		require.NoError(t, err)
		require.Equal(t, blockFileOf(key), h.Name)
		b, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, files[h.Name], b)
	}
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
}

func TestExportOfWhatIsNotThere(t *testing.T) {
	w := prepare(t, 0)
	var b bytes.Buffer
	require.Equal(t, runtime.Unknown, runtime.KindOf(w.d.Export(&b, "nobody")))
	require.Zero(t, b.Len())
	w.disk.damage(blockFileOf(w.must["a"][0].Blocks[2]), flip)
	require.Equal(t, runtime.Unknown, runtime.KindOf(w.d.Export(&b, "a")))
	_, err := w.d.Import(&b, "x", "tag")
	require.Equal(t, runtime.Invalid, runtime.KindOf(err), "what was written until then is no export")
}

func TestImportOfOtherThings(t *testing.T) {
	w := prepare(t, 0)
	good := exported(t, w, "a")
	usage := w.d.Usage()
	refuse := func(kind runtime.Kind, id, tag string, r io.Reader) {
		t.Helper()
		_, err := w.d.Import(r, id, tag)
		require.Error(t, err)
		require.Equal(t, kind, runtime.KindOf(err), "%v", err)
		require.NotContains(t, ids(w), "x")
		after := w.d.Usage()
		after.Written = usage.Written
		require.Equal(t, usage, after)
		w.clean()
	}
	refuse(runtime.Invalid, "x", "another tag", bytes.NewReader(good))
	refuse(runtime.Invalid, "", "tag", bytes.NewReader(good))
	refuse(runtime.Invalid, "x", "tag", bytes.NewReader(nil))
	refuse(runtime.Invalid, "x", "tag", bytes.NewReader(append(slices.Clone(good), 1)))
	refuse(runtime.Invalid, "x", "tag", bytes.NewReader(append(slices.Clone(good), good...)))
	refuse(runtime.Internal, "x", "tag", io.MultiReader(bytes.NewReader(good), brokenReader{}))
	for n := range len(bytes.TrimRight(good, "\x00")) { // the zeros at the end of a tar are nobody's loss
		refuse(runtime.Invalid, "x", "tag", bytes.NewReader(good[:n]))
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the client left") }

func TestImportLargerThanTheBudget(t *testing.T) {
	w := prepare(t, 0)
	require.NoError(t, w.save(turn("x", 0, 30, 0, 0)))
	file := exported(t, w, "x")
	to := prepare(t, 5000)
	before := to.d.List()
	_, err := to.d.Import(bytes.NewReader(file), "x", "tag")
	require.Equal(t, runtime.TooLarge, runtime.KindOf(err))
	require.Equal(t, before, to.d.List())
	to.clean()
}

// TestImportCannotLieAboutItsTokens gives blocks the keys of other tokens, with everything else in order.
func TestImportCannotLieAboutItsTokens(t *testing.T) {
	w := prepare(t, 0)
	for name, lie := range map[string]func(m *runtime.Manifest){
		"other tokens":  func(m *runtime.Manifest) { m.Tokens[0]++ },
		"other order":   func(m *runtime.Manifest) { m.Blocks[0], m.Blocks[1] = m.Blocks[1], m.Blocks[0] },
		"fewer tokens":  func(m *runtime.Manifest) { m.Length-- },
		"fewer blocks":  func(m *runtime.Manifest) { m.Blocks = m.Blocks[:2] },
		"another block": func(m *runtime.Manifest) { m.Blocks[2] = runtime.BlockKey{9} },
		"no blocks":     func(m *runtime.Manifest) { m.Blocks = nil },
		"no positions":  func(m *runtime.Manifest) { m.Length = 0 },
		"a block twice": func(m *runtime.Manifest) { m.Blocks = append(m.Blocks, m.Blocks[0]) },
	} {
		t.Run(name, func(t *testing.T) {
			m := turn("liar", 2, 1, 2, 0)
			lie(&m)
			require.NoError(t, w.save(m), "a store takes any keys")
			_, err := w.d.Import(bytes.NewReader(exported(t, w, "liar")), "x", "tag")
			require.Equal(t, runtime.Invalid, runtime.KindOf(err))
		})
	}
}

func TestImportThatFailsCostsNothing(t *testing.T) {
	w := prepare(t, 0)
	require.NoError(t, w.save(turn("x", 2, 2, 1, 5)))
	file := exported(t, w, "x")
	to := prepare(t, 0)
	to.disk.arm(0, "")
	_, err := to.d.Import(bytes.NewReader(file), "x", "tag")
	require.NoError(t, err)
	to.disk.disarm()
	for at, can := range to.disk.can {
		if raced && at%5 != 0 {
			continue
		}
		for _, how := range can {
			to := prepare(t, 0)
			imported := turn("x", 2, 2, 1, 5)
			to.must["x"] = []*runtime.Manifest{nil, &imported}
			to.disk.arm(at+1, how)
			_, err := to.d.Import(bytes.NewReader(file), "x", "tag")
			to.disk.disarm()
			if err == nil {
				to.must["x"] = to.must["x"][1:]
			}
			if how != killed {
				to.check()
			}
			to.disk.restart()
			require.NoError(t, to.open())
			to.check()
			to.clean()
		}
	}
}

// The blocks of an agent that gets another owner get his keys, so that they are found, by him alone.
func TestImportForAnotherOwner(t *testing.T) {
	from, to := prepare(t, 0), prepare(t, 0)
	m := turn("x", 2, 3, 1, 5)
	require.NoError(t, from.save(m))
	file := exported(t, from, "x")
	for _, id := range []string{"p/x", "q/x", "y"} {
		got, err := to.d.Import(bytes.NewReader(file), id, "tag")
		require.NoError(t, err)
		require.True(t, got.Sound(4))
		require.Equal(t, id == "y", slices.Equal(m.Blocks, got.Blocks))
		for i, key := range got.Blocks {
			b, err := storetest.Contents(to.d, key)
			require.NoError(t, err)
			require.Equal(t, contentsOf(m.Blocks[i]), b)
		}
		saved, err := to.d.Manifest(id)
		require.NoError(t, err)
		require.Equal(t, got, saved)
	}
	// And back from an owner to nobody.
	var b bytes.Buffer
	require.NoError(t, to.d.Export(&b, "p/x"))
	back, err := from.d.Import(&b, "z", "tag")
	require.NoError(t, err)
	require.Equal(t, m.Blocks, back.Blocks)
}
