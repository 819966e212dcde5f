package persistence_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/storetest"
)

// world is a store on a disk that fails, and what must be found there.
type world struct {
	t    *testing.T
	disk *memFS
	d    *persistence.Disk
	o    persistence.Options
	// must holds for each agent the versions that may be found; a nil one: that it may be gone.
	must map[string][]*runtime.Manifest
	lost map[runtime.BlockKey]bool // damaged, and not saved again
}

// turn makes an agent of n blocks of 4 tokens after a prefix of the given number of blocks that it shares with all others; extra tokens are a partial block.
func turn(id string, shared, n, extra, at int) runtime.Manifest {
	m := runtime.Manifest{Agent: id, Tag: "tag", SavedAt: time.Unix(int64(1700000000+at), 0).UTC()}
	for i := range 4*(shared+n) + extra {
		token := int32(i)
		if i >= 4*shared {
			token = int32(i) + 1000*int32(id[0])
		}
		m.Tokens = append(m.Tokens, token)
	}
	m.Length = len(m.Tokens)
	var key runtime.BlockKey
	for i := 0; i < m.Length; i += 4 {
		key = runtime.NextKey(m.Tag, key, m.Tokens[i:min(i+4, m.Length)])
		m.Blocks = append(m.Blocks, key)
	}
	return m
}

// contentsOf returns the contents of a block, which depend on its key alone.
func contentsOf(key runtime.BlockKey) []byte { return append(key[:16:16], "of a block"...) }

// file returns the name that a file has on disk.
func (w *world) file(name string) string { return persistence.SealedName(w.o.Key, name) }

// open returns when the store has also seen which blocks there are, or failed to.
func (w *world) open() error {
	w.d = nil
	w.mayCollect("")
	d, err := persistence.Open("mem", w.o)
	if err == nil {
		d.Usage()
		w.d = d
	}
	return err
}

// mayCollect notes that the budget may cost every agent that is not pinned, but one.
func (w *world) mayCollect(spare string) {
	for id, versions := range w.must {
		if v := versions[0]; w.o.Budget > 0 && id != spare && (v == nil || !v.Pinned) {
			w.must[id] = append(versions, nil)
		}
	}
}

// save saves an agent and notes what may be found from now on.
func (w *world) save(m runtime.Manifest) error {
	before := w.must[m.Agent]
	if before == nil {
		before = []*runtime.Manifest{nil}
	}
	w.must[m.Agent] = append(slices.Clone(before), &m)
	w.mayCollect(m.Agent)
	err := w.d.Save(m, func(i int) ([]byte, error) { return contentsOf(m.Blocks[i]), nil })
	if err == nil {
		w.must[m.Agent] = []*runtime.Manifest{&m}
		for _, key := range m.Blocks {
			delete(w.lost, key)
		}
	}
	return err
}

func (w *world) remove(id string) error {
	w.must[id] = append(slices.Clone(w.must[id]), nil)
	err := w.d.Delete(id)
	if err == nil {
		w.must[id] = []*runtime.Manifest{nil}
	}
	return err
}

// load reads an agent whole. What it returns must be right, whatever the error.
func (w *world) load(id string) (*runtime.Manifest, error) {
	m, err := w.d.Manifest(id)
	if err != nil {
		return nil, err
	}
	for _, key := range m.Blocks {
		b, err := storetest.Contents(w.d, key)
		if err != nil && w.lost[key] && runtime.KindOf(err) == runtime.Unknown {
			continue
		}
		if err != nil {
			return &m, err
		}
		require.Equal(w.t, contentsOf(key), b, "wrong contents served")
	}
	return &m, nil
}

// check requires that every agent is there in one of its versions, whole.
func (w *world) check() {
	w.t.Helper()
	for _, id := range slices.Sorted(maps.Keys(w.must)) {
		m, err := w.load(id)
		if m == nil {
			require.Equal(w.t, runtime.Unknown, runtime.KindOf(err), "%s: %v", id, err)
		} else {
			require.NoError(w.t, err, "a block of %s", id)
		}
		require.Contains(w.t, w.must[id], m, "agent %s", id)
		w.must[id] = []*runtime.Manifest{m} // and so it stays
	}
}

// clean requires that the disk holds what is named and nothing else, and that the sums say so.
func (w *world) clean() {
	w.t.Helper()
	named, bytes := map[string]bool{}, int64(0)
	for _, s := range w.d.List() {
		m, err := w.d.Manifest(s.Agent)
		require.NoError(w.t, err)
		named[w.file(fileOf(s.Agent))] = true
		for _, key := range m.Blocks {
			named[w.file(blockFileOf(key))] = true
		}
	}
	files := w.disk.all("agents")
	maps.Copy(files, w.disk.all("blocks"))
	for name, data := range files {
		require.True(w.t, named[name], "nobody names %s", name)
		bytes += int64(len(data))
	}
	u := w.d.Usage()
	require.Equal(w.t, len(files), u.Agents+u.Blocks)
	require.Equal(w.t, bytes, u.Bytes)
	require.GreaterOrEqual(w.t, u.Written, u.Bytes)
	require.Empty(w.t, w.disk.all("tmp"))
}

// scenario is something that happens to a store that holds the agents of prepare.
type scenario struct {
	name   string
	budget int64
	sealed int64 // more budget if the disk is encrypted
	run    func(w *world) error
	gone   []string // agents that it may cost
}

var scenarios = []scenario{
	{name: "save of the next turn", run: func(w *world) error { return w.save(turn("a", 2, 3, 1, 10)) }},
	{name: "save of a new agent", run: func(w *world) error { return w.save(turn("n", 2, 2, 3, 10)) }},
	{name: "save of an older state", run: func(w *world) error { return w.save(turn("b", 1, 0, 0, 10)) }},
	{name: "save that collects", budget: 4500, sealed: 800, gone: []string{"b", "c", "e"}, run: func(w *world) error { return w.save(turn("n", 0, 6, 0, 10)) }},
	{name: "save that heals", run: func(w *world) error {
		lost := turn("a", 2, 1, 2, 0).Blocks[1]
		w.disk.damage(w.file(blockFileOf(lost)), func(b []byte) []byte { b[len(b)-1]++; return b })
		w.lost[lost] = true
		_, err := storetest.Contents(w.d, lost)
		if err == nil {
			return errors.New("a damaged block was served")
		}
		return w.save(turn("n", 2, 1, 0, 10))
	}},
	{name: "delete", run: func(w *world) error { return w.remove("b") }},
	{name: "load", run: func(w *world) error { _, err := w.load("a"); return err }},
	{name: "start", run: func(w *world) error { w.disk.restart(); return w.open() }},
	{name: "start after a kill", run: func(w *world) error {
		w.disk.put("tmp/7", []byte("half a block"))
		w.disk.put(w.file(fmt.Sprintf("blocks/%064x.safetensors", 1)), []byte("nobody names it"))
		w.disk.restart()
		return w.open()
	}},
	{name: "start over budget", gone: []string{"b", "c", "e"}, run: func(w *world) error {
		w.disk.restart()
		w.o.Budget = 3200
		if w.o.Key != nil {
			w.o.Budget += 600
		}
		return w.open()
	}},
}

// prepare makes a store with some agents that have blocks in common. a is pinned.
func prepare(t *testing.T, budget int64) *world { return prepareWith(t, budget, nil) }

// prepareWith is prepare for a disk that is encrypted if there is a key.
func prepareWith(t *testing.T, budget int64, key *persistence.Key) *world {
	disk := newMemFS()
	w := &world{t: t, disk: disk, o: persistence.Options{FS: disk, Budget: budget, Key: key}, must: map[string][]*runtime.Manifest{}, lost: map[runtime.BlockKey]bool{}}
	require.NoError(t, w.open())
	a := turn("a", 2, 1, 2, 0)
	a.Pinned = true
	for i, m := range []runtime.Manifest{turn("b", 2, 1, 0, 1), turn("c", 1, 1, 1, 2), a, turn("e", 0, 1, 0, 4)} {
		m.SavedAt = m.SavedAt.Add(time.Duration(i))
		require.NoError(t, w.save(m))
	}
	return w
}

// TestNoFaultLosesAnything makes every single file operation of every scenario fail, in every way, once. It then looks at once, after the process is
// killed, and after the power is cut: what was saved is there, and nothing else is served.
func TestNoFaultLosesAnything(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) { s.failEverywhere(t, nil) })
		t.Run(s.name+", encrypted", func(t *testing.T) {
			s.budget += s.sealed
			s.failEverywhere(t, testKey(1))
		})
	}
}

// failEverywhere runs a scenario once for each operation and each way in which it can fail.
func (s scenario) failEverywhere(t *testing.T, key *persistence.Key) {
	w := prepareWith(t, s.budget, key)
	w.disk.arm(0, "")
	require.NoError(t, s.run(w))
	ops, _ := w.disk.disarm()
	require.Greater(t, ops, 5)
	if s.gone != nil {
		require.Positive(t, w.d.Usage().Collected)
	}
	for at, can := range w.disk.faults() {
		if raced && at%5 != 0 { // the files are used by one goroutine but for their syncs; parallel_test.go is for races
			continue
		}
		for _, how := range can {
			for _, then := range []string{"kill", "cut", "cut at once", "kill, start and cut"} {
				s.fail(t, key, at+1, how, then)
			}
		}
	}
}

// fail runs a scenario in which one operation fails.
func (s scenario) fail(t *testing.T, key *persistence.Key, at int, how fault, then string) {
	w := prepareWith(t, s.budget, key)
	for _, id := range s.gone {
		w.must[id] = append(w.must[id], nil)
	}
	w.disk.arm(at, how)
	err := s.run(w)
	_, failed := w.disk.disarm()
	what := fmt.Sprintf("%s at operation %d (%s), then %s: %v", how, at, failed, then, err)
	defer func() {
		if t.Failed() {
			t.Log(what)
		}
	}()
	if how != killed && w.d != nil && then != "cut at once" {
		w.check()
		require.NoError(t, w.save(turn("z", 2, 2, 1, 20)), "the store goes on")
		w.check()
	}
	w.disk.restart()
	if then == "kill, start and cut" {
		require.NoError(t, w.open())
		w.check()
	}
	if then != "kill" {
		w.disk.cut(rand.New(rand.NewPCG(uint64(at), uint64(len(then)))))
	}
	require.NoError(t, w.open(), "start after it")
	w.check()
	w.clean()
	require.NoError(t, w.save(turn("y", 2, 2, 1, 21)), "the store goes on")
	require.NoError(t, w.save(turn("a", 2, 4, 1, 22)), "the store goes on")
	w.check()
	w.clean()
}
