package persistence_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/storetest"
)

// TestLoadsDoNotWaitForASave holds a save where it has just asked for a block.
func TestLoadsDoNotWaitForASave(t *testing.T) {
	d := open(t, t.TempDir(), persistence.Options{})
	save := func(m runtime.Manifest) error {
		return d.Save(m, func(i int) ([]byte, error) { return contentsOf(m.Blocks[i]), nil })
	}
	a := turn("a", 2, 1, 1, 0)
	require.NoError(t, save(a))

	inside, leave, saved := make(chan bool), make(chan bool), make(chan error)
	b := turn("b", 2, 2, 0, 1)
	go func() {
		saved <- d.Save(b, func(i int) ([]byte, error) {
			inside <- true
			<-leave
			return contentsOf(b.Blocks[i]), nil
		})
	}()
	<-inside
	got, err := d.Manifest("a")
	require.NoError(t, err)
	require.Equal(t, a, got)
	for _, key := range a.Blocks {
		contents, err := storetest.Contents(d, key)
		require.NoError(t, err)
		require.Equal(t, contentsOf(key), contents)
	}
	require.Len(t, d.List(), 1)
	require.Equal(t, 1, d.Usage().Agents)
	_, err = d.Manifest("b")
	require.Equal(t, runtime.Unknown, runtime.KindOf(err), "not yet")
	leave <- true
	<-inside
	leave <- true
	require.NoError(t, <-saved)
	_, err = d.Manifest("b")
	require.NoError(t, err)
}

// TestManyAtOnce lets several goroutines save, load, list and delete agents that have blocks in common, under a budget. Nobody is ever handed wrong contents.
func TestManyAtOnce(t *testing.T) {
	t.Run("plain", func(t *testing.T) { manyAtOnce(t, persistence.Options{Budget: 40_000}) })
	t.Run("encrypted", func(t *testing.T) { manyAtOnce(t, persistence.Options{Budget: 40_000, Key: testKey(1)}) })
}

func manyAtOnce(t *testing.T, o persistence.Options) {
	dir := t.TempDir()
	d, err := persistence.Open(dir, o)
	require.NoError(t, err)
	var g errgroup.Group
	for worker := range 6 {
		g.Go(func() error {
			chance := rand.New(rand.NewPCG(1, uint64(worker)))
			for range 60 {
				id := fmt.Sprintf("%d", chance.IntN(12))
				switch chance.IntN(6) {
				case 0:
					if err := d.Delete(id); err != nil {
						return err
					}
				case 1:
					d.List()
					d.Usage()
				case 2, 3:
					m := turn(id, 2, chance.IntN(4), chance.IntN(4), 0)
					if err := d.Save(m, func(i int) ([]byte, error) { return contentsOf(m.Blocks[i]), nil }); err != nil {
						return err
					}
				default:
					m, err := d.Manifest(id)
					if err != nil {
						if runtime.KindOf(err) != runtime.Unknown {
							return err
						}
						continue
					}
					for _, key := range m.Blocks {
						contents, err := storetest.Contents(d, key)
						if err != nil && runtime.KindOf(err) != runtime.Unknown {
							return err
						}
						if err == nil && string(contents) != string(contentsOf(key)) {
							return fmt.Errorf("wrong contents of %x", key)
						}
					}
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Zero(t, d.Usage().Quarantined)
	list, usage := d.List(), d.Usage()
	require.NoError(t, d.Close())

	again := open(t, dir, o)
	require.Equal(t, list, again.List())
	after := again.Usage()
	require.Equal(t, []any{usage.Agents, usage.Blocks, usage.Bytes}, []any{after.Agents, after.Blocks, after.Bytes})
	for _, saved := range list {
		m, err := again.Manifest(saved.Agent)
		require.NoError(t, err)
		for _, key := range m.Blocks {
			_, err := storetest.Contents(again, key)
			require.NoError(t, err)
		}
	}
}

func TestClosedStoreSaysSo(t *testing.T) {
	d := open(t, t.TempDir(), persistence.Options{})
	require.NoError(t, d.Close())
	m := turn("a", 0, 1, 0, 0)
	require.ErrorContains(t, d.Save(m, nil), "closed")
	require.ErrorContains(t, d.Delete("a"), "closed")
	_, err := d.Manifest("a")
	require.ErrorContains(t, err, "closed")
	_, err = storetest.Contents(d, m.Blocks[0])
	require.ErrorContains(t, err, "closed")
	require.NoError(t, d.Close(), "twice")
}

func TestManifestThatCannotBeKeptIsRefused(t *testing.T) {
	d := open(t, t.TempDir(), persistence.Options{})
	for _, m := range []runtime.Manifest{
		{},
		{Agent: string(make([]byte, 1025))},
		{Agent: "a", Tag: string(make([]byte, 1025))},
		{Agent: "a", Length: 1},
		{Agent: "a", Length: -1},
	} {
		require.Equal(t, runtime.Invalid, runtime.KindOf(d.Save(m, nil)))
	}
	require.Equal(t, runtime.TooLarge, runtime.KindOf(d.Save(runtime.Manifest{Agent: "a", Tokens: make([]int32, 40<<20)}, nil)))
	require.Empty(t, d.List())
	odd := runtime.Manifest{Agent: "../../etc/passwd\x00\n", Tag: "\xff"}
	require.NoError(t, d.Save(odd, nil))
	got, err := d.Manifest(odd.Agent)
	require.NoError(t, err)
	require.Equal(t, odd.Agent, got.Agent)
	require.Equal(t, odd.Tag, got.Tag)
}
