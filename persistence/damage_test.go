package persistence_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/storetest"
)

func blockFileOf(key runtime.BlockKey) string {
	return "blocks/" + hex.EncodeToString(key[:]) + ".safetensors"
}

func flip(b []byte) []byte {
	b[len(b)/2] ^= 1
	return b
}

func TestDamagedManifestIsSetAsideAtStart(t *testing.T) {
	w := prepare(t, 0)
	w.disk.damage(fileOf("b"), flip)
	w.disk.damage(fileOf("c"), func(b []byte) []byte { return b[:len(b)/2] })
	w.must["b"], w.must["c"] = []*runtime.Manifest{nil}, []*runtime.Manifest{nil}
	w.disk.restart()
	require.NoError(t, w.open())
	require.Equal(t, 2, w.d.Usage().Quarantined)
	require.Len(t, w.disk.all("quarantine"), 2)
	w.check()
	w.clean() // the blocks that only they named are gone
}

func TestManifestOfAnotherAgentIsNotServed(t *testing.T) {
	w := prepare(t, 0)
	w.disk.put(fileOf("b"), w.disk.all("agents")[fileOf("c")])
	_, err := w.d.Manifest("b")
	require.Equal(t, runtime.Unknown, runtime.KindOf(err))
}

func TestBlockOfAnotherKeyIsNotServed(t *testing.T) {
	w := prepare(t, 0)
	a := turn("a", 2, 1, 2, 0)
	w.disk.put(blockFileOf(a.Blocks[0]), w.disk.all("blocks")[blockFileOf(a.Blocks[1])])
	_, err := storetest.Contents(w.d, a.Blocks[0])
	require.Equal(t, runtime.Unknown, runtime.KindOf(err))
}

func TestReadThatFailsOnceCostsNothing(t *testing.T) {
	for _, how := range []fault{broken, short, flipped} {
		w := prepare(t, 0)
		before := w.d.Usage()
		key := turn("a", 2, 1, 2, 0).Blocks[0]
		w.disk.arm(3, how) // open, size, read
		_, err := storetest.Contents(w.d, key)
		require.Equal(t, runtime.Unknown, runtime.KindOf(err), "%s: %v", how, err)
		w.disk.arm(3, how)
		_, err = w.d.Manifest("a")
		require.Error(t, err)
		w.disk.disarm()
		require.Equal(t, before, w.d.Usage())
		w.check()
	}
}

func TestDamagedBlockIsSavedAnew(t *testing.T) {
	w := prepare(t, 0)
	a := *w.must["a"][0]
	blocks := w.d.Usage().Blocks
	w.disk.damage(blockFileOf(a.Blocks[0]), flip)
	_, err := storetest.Contents(w.d, a.Blocks[0])
	require.Equal(t, runtime.Unknown, runtime.KindOf(err))
	require.Equal(t, blocks-1, w.d.Usage().Blocks)
	require.Equal(t, 1, w.d.Usage().Quarantined)
	asked := []int{}
	require.NoError(t, w.d.Save(a, func(i int) ([]byte, error) {
		asked = append(asked, i)
		return contentsOf(a.Blocks[i]), nil
	}))
	require.Equal(t, []int{0}, asked)
	require.Equal(t, blocks, w.d.Usage().Blocks)
	w.check() // for every agent that names it
}

func TestBlockThatIsGoneIsSavedAnew(t *testing.T) {
	w := prepare(t, 0)
	a := *w.must["a"][0]
	require.NoError(t, w.disk.Remove(blockFileOf(a.Blocks[1])))
	_, err := storetest.Contents(w.d, a.Blocks[1])
	require.Equal(t, runtime.Unknown, runtime.KindOf(err))
	require.NoError(t, w.save(a))
	w.check()

	require.NoError(t, w.disk.Remove(blockFileOf(a.Blocks[2])))
	w.disk.restart()
	require.NoError(t, w.open())
	require.NoError(t, w.save(a), "found at start")
	w.check()
}

// meeting is a disk on which a save is about to give a manifest its name when a read of the one before finds that it is damaged.
type meeting struct {
	*memFS
	name            string
	saving, setting chan bool // closed when the save, and who sets the damaged one aside, have come so far
	saved           chan bool // closed when the manifest has its name
}

func (m meeting) Rename(from, to string) error {
	switch {
	case to == m.name:
		close(m.saving)
		select {
		case <-m.setting:
		case <-time.After(50 * time.Millisecond): // as it should be, it waits for the save
		}
		defer close(m.saved)
	case from == m.name:
		close(m.setting)
		<-m.saved
	}
	return m.memFS.Rename(from, to)
}

func TestNewManifestIsNotSetAsideForTheOneBefore(t *testing.T) {
	w := prepare(t, 0)
	w.disk.restart()
	w.o.FS = meeting{w.disk, fileOf("a"), make(chan bool), make(chan bool), make(chan bool)}
	require.NoError(t, w.open())
	w.disk.damage(fileOf("a"), flip)
	var saved errgroup.Group
	saved.Go(func() error { return w.save(turn("a", 2, 3, 1, 10)) })
	<-w.o.FS.(meeting).saving
	_, err := w.d.Manifest("a")
	require.NoError(t, saved.Wait())
	if err != nil {
		require.Equal(t, runtime.Unknown, runtime.KindOf(err))
	}
	w.check()
}

// lingering is a disk on which to open a block takes until it is told.
type lingering struct {
	*memFS
	begun, proceed chan bool
}

func (l lingering) Open(name string) (persistence.File, error) {
	if strings.HasPrefix(name, "blocks/") {
		l.begun <- true
		<-l.proceed
	}
	return l.memFS.Open(name)
}

// Another process may have the folder by then.
func TestNothingIsSetAsideAfterClose(t *testing.T) {
	w := prepare(t, 0)
	w.disk.restart()
	disk := lingering{w.disk, make(chan bool, 9), make(chan bool)}
	w.o.FS = disk
	require.NoError(t, w.open())
	key := w.must["a"][0].Blocks[0]
	w.disk.damage(blockFileOf(key), flip)
	done := make(chan error)
	go func() { _, err := storetest.Contents(w.d, key); done <- err }()
	<-disk.begun
	require.NoError(t, w.d.Close())
	close(disk.proceed)
	require.Equal(t, runtime.Unknown, runtime.KindOf(<-done))
	require.Empty(t, w.disk.all("quarantine"))
	require.Contains(t, w.disk.all("blocks"), blockFileOf(key))
}

func TestQuarantineIsBounded(t *testing.T) {
	w := prepare(t, 0)
	m := turn("q", 0, 40, 0, 9)
	require.NoError(t, w.save(m))
	for _, key := range m.Blocks {
		w.disk.damage(blockFileOf(key), flip)
		_, err := storetest.Contents(w.d, key)
		require.Error(t, err)
	}
	require.Equal(t, len(m.Blocks), w.d.Usage().Quarantined)
	require.Len(t, w.disk.all("quarantine"), 16)
	require.NoError(t, w.save(m))
	w.disk.damage(blockFileOf(m.Blocks[39]), flip)
	_, err := storetest.Contents(w.d, m.Blocks[39])
	require.Error(t, err)
	require.Len(t, w.disk.all("quarantine"), 16)
	for i := range 20 {
		w.disk.put(fmt.Sprintf("quarantine/%d", i), nil)
	}
	w.disk.restart()
	require.NoError(t, w.open())
	require.Len(t, w.disk.all("quarantine"), 16)
}

func TestNewerVersionIsLeftAlone(t *testing.T) {
	for name, magic := range map[string]string{fileOf("new"): "troupe-a", "wear": "troupe-w"} {
		w := prepare(t, 0)
		old := w.disk.all(".")["./"+name]
		w.disk.put(name, persistence.Seal(magic, 2, []byte("who knows")))
		w.disk.put("tmp/1", []byte("it writes there"))
		w.disk.damage(fileOf("b"), flip)
		for i := range 20 {
			w.disk.put(fmt.Sprintf("quarantine/%d", i), nil)
		}
		all := func() map[string][]byte {
			files := map[string][]byte{}
			for _, dir := range []string{".", "agents", "blocks", "quarantine", "tmp"} {
				maps.Copy(files, w.disk.all(dir))
			}
			return files
		}
		before := all()
		w.disk.restart()
		require.ErrorContains(t, w.open(), "newer version of Troupe", name)
		require.Equal(t, before, all(), "nothing is changed")
		require.NoError(t, w.disk.Remove(name))
		if old != nil {
			w.disk.put(name, old)
		}
		require.NoError(t, w.open(), "the lock is free")
	}
}

// unreadable is a disk of which no manifest can be read.
type unreadable struct{ *memFS }

func (u unreadable) Open(name string) (persistence.File, error) {
	if len(name) > len("agents/") && name[:len("agents/")] == "agents/" {
		return nil, syscall.EIO
	}
	return u.memFS.Open(name)
}

func TestDiskThatIsNotThereCostsNothing(t *testing.T) {
	w := prepare(t, 0)
	for i := range 20 {
		require.NoError(t, w.save(turn(fmt.Sprintf("x%d", i), 2, 1, 0, i)))
	}
	w.disk.restart()
	w.o.FS = unreadable{w.disk}
	require.ErrorContains(t, w.open(), "the disk is failing")
	w.disk.restart()
	w.o.FS = w.disk
	require.NoError(t, w.open())
	w.check()
}

func TestFullDiskIsSaidClearly(t *testing.T) {
	w := prepare(t, 0)
	m := turn("n", 2, 2, 0, 9)
	w.disk.arm(1, "")
	require.NoError(t, w.save(m))
	ops, _ := w.disk.disarm()
	met := 0
	for at := 1; at <= ops; at++ {
		w := prepare(t, 0)
		w.disk.arm(at, full)
		err := w.save(m)
		w.disk.disarm()
		if errors.Is(err, syscall.ENOSPC) {
			met++
			require.ErrorContains(t, err, "disk is full")
			require.ErrorContains(t, err, `"n"`)
			require.Empty(t, w.disk.all("tmp"))
			w.check()
			w.clean()
		}
	}
	require.GreaterOrEqual(t, met, 9, "each create, write and rename of two blocks and a manifest")
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	w := prepare(t, 0)
	names := []string{"agents/README", "blocks/notes.txt", "blocks/" + string(bytes.ToUpper([]byte(fmt.Sprintf("%064x", 0xabc)))) + ".safetensors"}
	for _, name := range names {
		w.disk.put(name, []byte("mine"))
	}
	w.disk.restart()
	require.NoError(t, w.open())
	for _, name := range names {
		files := w.disk.all("agents")
		if name != names[0] {
			files = w.disk.all("blocks")
		}
		require.Contains(t, files, name)
	}
}
