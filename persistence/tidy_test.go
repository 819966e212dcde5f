package persistence_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/storetest"
)

// slowList is a disk that answers what blocks there are when it is told to, and is not to be changed before.
type slowList struct {
	*memFS
	t        *testing.T
	answered *atomic.Bool
	begun    chan bool
	list     chan error // a fault, or nil
}

func (s slowList) List(dir string, each func(string)) error {
	if dir != "blocks" {
		return s.memFS.List(dir, each)
	}
	var names []string
	err := s.memFS.List(dir, func(name string) { names = append(names, name) })
	s.begun <- true
	if fault := <-s.list; fault != nil {
		for _, name := range names[:len(names)/2] {
			each(name)
		}
		return fault
	}
	s.answered.Store(true)
	for _, name := range names {
		each(name)
	}
	return err
}

func (s slowList) Create(name string) (persistence.File, error) {
	assert.True(s.t, s.answered.Load(), "made %s", name)
	return s.memFS.Create(name)
}

func (s slowList) Remove(name string) error {
	assert.True(s.t, s.answered.Load(), "removed %s", name)
	return s.memFS.Remove(name)
}

// restartSlowly opens the store again and returns while it lists the blocks.
func restartSlowly(w *world) slowList {
	w.disk.restart()
	disk := slowList{w.disk, w.t, new(atomic.Bool), make(chan bool), make(chan error)}
	w.o.FS = disk
	d, err := persistence.Open("mem", w.o)
	require.NoError(w.t, err)
	w.d = d
	<-disk.begun
	return disk
}

func TestAgentsAreThereBeforeBlocksAreListed(t *testing.T) {
	w := prepare(t, 0)
	w.disk.put(fmt.Sprintf("blocks/%064x.safetensors", 1), []byte("nobody names it"))
	before := w.d.Usage()
	disk := restartSlowly(w)
	require.Len(t, w.d.List(), 4)
	a := *w.must["a"][0]
	require.Equal(t, len(a.Blocks), w.d.Has(a.Blocks))
	w.check()

	var changes errgroup.Group
	changes.Go(func() error { return w.save(turn("n", 2, 2, 3, 10)) })
	changes.Go(func() error { return w.d.Delete("nobody") })
	disk.list <- nil
	require.NoError(t, changes.Wait())
	require.Equal(t, before.Blocks+2+1, w.d.Usage().Blocks)
	w.check()
	w.clean() // the orphan is gone
}

// What is found out about a block meanwhile is newer than the list.
func TestBlockThatIsLostWhileBlocksAreListed(t *testing.T) {
	w := prepare(t, 0)
	a := *w.must["a"][0]
	w.disk.damage(blockFileOf(a.Blocks[0]), flip)
	require.NoError(t, w.disk.Remove(blockFileOf(a.Blocks[1])))
	disk := restartSlowly(w)
	for _, key := range a.Blocks[:2] {
		_, err := storetest.Contents(w.d, key)
		require.Equal(t, runtime.Unknown, runtime.KindOf(err))
	}
	require.Zero(t, w.d.Has(a.Blocks))
	disk.list <- nil
	require.Equal(t, 1, w.d.Usage().Quarantined)
	require.Zero(t, w.d.Has(a.Blocks))
	require.Equal(t, len(a.Blocks)-2, w.d.Has(a.Blocks[2:]))
	require.NoError(t, w.save(a))
	w.check()
	w.clean()
}

// A manifest that has lost its blocks is believed for as long as they are listed, and a read of one of them says that it is not there.
func TestBlocksThatAreGoneAreNotCounted(t *testing.T) {
	w := prepare(t, 0)
	before := w.d.Usage().Blocks
	a := *w.must["a"][0]
	for _, key := range a.Blocks[2:] {
		require.NoError(t, w.disk.Remove(blockFileOf(key)))
	}
	disk := restartSlowly(w)
	require.Equal(t, len(a.Blocks), w.d.Has(a.Blocks))
	disk.list <- nil
	require.Equal(t, before-len(a.Blocks)+2, w.d.Usage().Blocks)
	require.Equal(t, 2, w.d.Has(a.Blocks))
	require.NoError(t, w.save(a))
	w.check()
	w.clean()
}

func TestNothingIsChangedBeforeBlocksCouldBeListed(t *testing.T) {
	w := prepare(t, 0)
	gone := *w.must["a"][0]
	require.NoError(t, w.disk.Remove(blockFileOf(gone.Blocks[2])))
	disk := restartSlowly(w)
	broken := errors.New("the disk does not answer")
	disk.list <- broken
	agents, blocks := w.disk.all("agents"), w.disk.all("blocks")
	w.d.Usage() // does not wait for ever
	m := turn("n", 2, 2, 3, 10)
	for _, change := range []func() error{
		func() error { return w.d.Save(m, nil) },
		func() error { return w.d.Delete("b") },
	} {
		done := make(chan error)
		go func() { done <- change() }()
		<-disk.begun
		disk.list <- broken
		require.ErrorIs(t, <-done, broken)
	}
	require.Equal(t, agents, w.disk.all("agents"))
	require.Equal(t, blocks, w.disk.all("blocks"))

	done := make(chan error)
	go func() { done <- w.save(gone) }()
	<-disk.begun
	disk.list <- nil
	require.NoError(t, <-done)
	require.NoError(t, w.save(m), "and it is not listed again")
	w.check()
	w.clean()
}
