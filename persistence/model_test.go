package persistence_test

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/storetest"
)

// TestDiskIsLikeTheModel does random things to a store and to the plain model of one, with kills and power cuts in between, and compares them and the books
// after each.
func TestDiskIsLikeTheModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		disk := newMemFS()
		w := &world{t: t, disk: disk, o: persistence.Options{FS: disk}}
		if rapid.Bool().Draw(rt, "encrypted") {
			w.o.Key = testKey(1)
		}
		w.must = map[string][]*runtime.Manifest{}
		require.NoError(rt, w.open())
		model := storetest.NewFake()
		id := rapid.SampledFrom([]string{"a", "b", "c", "d"})
		known := map[runtime.BlockKey]bool{}
		rt.Repeat(map[string]func(*rapid.T){
			"save": func(rt *rapid.T) {
				m := turn(id.Draw(rt, "id"), rapid.IntRange(0, 3).Draw(rt, "shared"), rapid.IntRange(0, 3).Draw(rt, "own"), rapid.IntRange(0, 3).Draw(rt, "more"), 0)
				var asked [2][]runtime.BlockKey
				for i, s := range []runtime.Store{w.d, model} {
					require.NoError(rt, s.Save(m, func(b int) ([]byte, error) {
						asked[i] = append(asked[i], m.Blocks[b])
						known[m.Blocks[b]] = true
						return contentsOf(m.Blocks[b]), nil
					}))
				}
				require.Equal(rt, asked[1], asked[0], "asks for the same contents")
			},
			"fork": func(rt *rapid.T) {
				m, err := model.Manifest(id.Draw(rt, "from"))
				if err != nil {
					rt.Skip("nobody there")
				}
				m.Agent = id.Draw(rt, "to")
				for _, s := range []runtime.Store{w.d, model} {
					require.NoError(rt, s.Save(m, nil), "all is there already")
				}
			},
			"delete": func(rt *rapid.T) {
				agent := id.Draw(rt, "id")
				require.NoError(rt, w.d.Delete(agent))
				require.NoError(rt, model.Delete(agent))
			},
			"fail": func(rt *rapid.T) { // a save that fails changes nothing, or it is there and not promised
				m := turn(id.Draw(rt, "id"), 1, rapid.IntRange(1, 3).Draw(rt, "own"), 0, 0)
				at := rapid.IntRange(1, 30).Draw(rt, "at")
				disk.arm(at, full)
				err := w.d.Save(m, func(b int) ([]byte, error) { return contentsOf(m.Blocks[b]), nil })
				disk.disarm()
				if got, found := w.d.Manifest(m.Agent); err == nil || found == nil && assert.ObjectsAreEqual(m, got) {
					require.NoError(rt, model.Save(m, func(b int) ([]byte, error) { return contentsOf(m.Blocks[b]), nil }))
				}
				disk.restart() // what could not be removed goes now
				require.NoError(rt, w.open())
			},
			"restart": func(rt *rapid.T) {
				disk.restart()
				require.NoError(rt, w.open())
			},
			"cut": func(rt *rapid.T) {
				disk.cut(rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "chance"), 0)))
				require.NoError(rt, w.open())
			},
			"": func(rt *rapid.T) {
				a, b := w.d.List(), model.List()
				require.Len(rt, a, len(b))
				for i := range a {
					a[i].Bytes, b[i].Bytes = 0, 0
				}
				require.Equal(rt, b, a)
				for _, s := range b {
					want, err := model.Manifest(s.Agent)
					require.NoError(rt, err)
					got, err := w.d.Manifest(s.Agent)
					require.NoError(rt, err)
					require.Equal(rt, want, got)
				}
				for key := range known {
					_, want := storetest.Contents(model, key)
					contents, err := storetest.Contents(w.d, key)
					if want != nil {
						require.Equal(rt, runtime.KindOf(want), runtime.KindOf(err))
						continue
					}
					require.NoError(rt, err)
					require.Equal(rt, contentsOf(key), contents)
				}
				require.Equal(rt, model.Usage().Blocks, w.d.Usage().Blocks)
				w.clean()
			},
		})
	})
}
