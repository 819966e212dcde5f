package actors_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/storetest"
)

// ask generates and compares with what the tokens alone would give. It returns how many were cached.
func ask(t testing.TB, s *actors.System, agent string, prompt []int32, n int) int {
	t.Helper()
	text, cached, o := read(generate(t, s, actors.Request{Agent: agent, Prompt: prompt, MaxTokens: n}))
	require.NoError(t, o.Err)
	require.Equal(t, spell(enginetest.Greedy(64, prompt, n)), text)
	require.Equal(t, cached, o.CachedTokens)
	return cached
}

// The same tokens come out whatever happened to the cache in between: that is the point of it.
func TestTheSameTokensHoweverTheCacheCameBack(t *testing.T) {
	const n = 24
	p := words(rand.New(rand.NewPCG(7, 7)), 100)
	next := append(append(p[:len(p):len(p)], enginetest.Greedy(64, p, n)...), 5, 6, 7)
	store := storetest.NewFake()
	o := enginetest.Options{Blocks: 40}
	for name, c := range map[string]struct {
		run  func(t *testing.T) (cached int)
		want int
	}{
		"cold": {func(t *testing.T) int {
			return ask(t, start(t, o, actors.Config{}), "", next, n)
		}, 0},
		"own history": {func(t *testing.T) int {
			s := start(t, o, actors.Config{})
			ask(t, s, "a", p, n)
			return ask(t, s, "a", next, n)
		}, len(p) + n - 1},
		"shared": {func(t *testing.T) int {
			s := start(t, o, actors.Config{})
			ask(t, s, "a", p, n)
			return ask(t, s, "b", next, n)
		}, (len(p) + n - 1) / 16 * 16},
		"pressure without a disk": {func(t *testing.T) int {
			s := start(t, o, actors.Config{})
			ask(t, s, "a", p, n)
			ask(t, s, "b", words(rand.New(rand.NewPCG(8, 8)), 39*16), 1)
			return ask(t, s, "a", next, n)
		}, 16}, // one block was left
		"pressure with a disk": {func(t *testing.T) int {
			s := start(t, o, actors.Config{Store: storetest.NewFake()})
			ask(t, s, "a", p, n)
			ask(t, s, "b", words(rand.New(rand.NewPCG(8, 8)), 39*16), 1)
			require.EqualValues(t, 1, stats(t, s).Hibernations)
			defer func() { require.EqualValues(t, 1, stats(t, s).Restores) }()
			return ask(t, s, "a", next, n)
		}, len(p) + n - 1},
		"restart": {func(t *testing.T) int {
			s := start(t, o, actors.Config{Store: store})
			ask(t, s, "a", p, n)
			require.NoError(t, s.Close())
			return ask(t, start(t, o, actors.Config{Store: store}), "a", next, n)
		}, len(p) + n - 1},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, c.run(t)) })
	}
}

// Twenty agents share their beginning on disk as they do in the pool, and read it once when they all come back at once.
func TestTwentyComeBackAtOnce(t *testing.T) {
	const agents, common = 20, 1600
	store := storetest.NewFake()
	o := enginetest.Options{Context: 4000, Blocks: 400}
	system := words(rand.New(rand.NewPCG(1, 2)), common)
	prompts := make([][]int32, agents)
	s := start(t, o, actors.Config{Store: store})
	for n := range agents {
		prompts[n] = append(system[:common:common], words(rand.New(rand.NewPCG(uint64(n), 3)), 21)...)
		ask(t, s, fmt.Sprint(n), prompts[n], 2)
	}
	require.NoError(t, s.Close())
	require.Equal(t, agents, store.Usage().Agents)
	require.LessOrEqual(t, store.Usage().Blocks, common/16+agents*2)

	s = start(t, o, actors.Config{Store: store})
	var all sync.WaitGroup
	for n := range agents {
		st := generate(t, s, actors.Request{Agent: fmt.Sprint(n), Prompt: append(prompts[n], 1, 2, 3), MaxTokens: 2})
		all.Go(func() {
			if _, cached, o := read(st); o.Err != nil || cached != common+21 {
				t.Errorf("agent %d: %d cached, %v", n, cached, o.Err)
			}
		})
	}
	all.Wait()
	st := stats(t, s)
	require.EqualValues(t, agents, st.Restores)
	require.EqualValues(t, (common/16+agents*2)*64, st.RestoredBytes)
}

// The clock goes on by a millisecond whenever it is asked, so that whatever was measured took some time.
func TestTheTimeOnDiskIsCounted(t *testing.T) {
	var clock atomic.Int64
	store, o := storetest.NewFake(), enginetest.Options{Blocks: 40}
	config := actors.Config{Store: store, Now: func() time.Time { return time.UnixMilli(clock.Add(1)) }}
	s := start(t, o, config)
	p := words(rand.New(rand.NewPCG(1, 9)), 33*16)
	ask(t, s, "a", p, 1)
	ask(t, s, "b", words(rand.New(rand.NewPCG(2, 9)), 33*16), 1) // "a" is saved to make room
	require.EqualValues(t, 1, stats(t, s).Hibernations)
	require.Zero(t, stats(t, s).RestoreTime)
	ask(t, s, "a", append(p, 1, 2, 3), 1)
	st := stats(t, s)
	require.EqualValues(t, 1, st.Restores)
	require.GreaterOrEqual(t, st.SaveTime, time.Millisecond)
	require.GreaterOrEqual(t, st.RestoreTime, time.Millisecond)
}

// What another model knew is not used, and is there again when that model is.
func TestTagsKeepModelsApart(t *testing.T) {
	store := storetest.NewFake()
	p := prompt(3, 50)
	for _, c := range []struct {
		tag    string
		cached int
	}{{"one", 0}, {"two", 0}, {"one", 49}, {"two", 49}} {
		s, err := actors.Start(actors.Config{Engine: tagged{enginetest.NewFake(enginetest.Options{}), c.tag}, Model: plainModel(),
			Decoder: func() actors.Decoder { return letters{} }, Store: store})
		require.NoError(t, err)
		require.Equal(t, c.cached, ask(t, s, "a", p, 1), c.tag)
		require.NoError(t, s.Close())
	}
	require.Equal(t, 2, store.Usage().Agents)
}

// tagged is an engine that says it is another one.
type tagged struct {
	*enginetest.Fake
	tag string
}

func (t tagged) Info() runtime.EngineInfo {
	i := t.Fake.Info()
	i.Tag = t.tag
	return i
}

// badStore fails at everything.
type badStore struct{ runtime.Store }

var errBad = errors.New("broken")

func (badStore) Save(runtime.Manifest, func(int) ([]byte, error)) error { return errBad }
func (badStore) Manifest(string) (runtime.Manifest, error)              { panic("broken") }
func (badStore) Block(runtime.BlockKey, func([]byte) error) error       { return errBad }
func (badStore) Delete(string) error                                    { return errBad }

func TestABrokenDiskFailsNoRequest(t *testing.T) {
	s := start(t, enginetest.Options{Blocks: 12}, actors.Config{Store: badStore{storetest.NewFake()}, MaxBatch: 3})
	var all sync.WaitGroup
	for n := range 8 {
		all.Go(func() {
			for turn := range 3 {
				p := prompt(n, 60+turn)
				text, _, o := read(generate(t, s, actors.Request{Agent: fmt.Sprint(n), Prompt: p, MaxTokens: 20}))
				if want := spell(enginetest.Greedy(64, p, 20)); o.Err != nil || text != want {
					t.Errorf("agent %d: %q and %v, want %q", n, text, o.Err, want)
				}
			}
		})
	}
	all.Wait()
	require.NoError(t, s.Drain(context.Background()))
	st := stats(t, s)
	require.Positive(t, st.StoreErrors)
	require.Zero(t, st.Hibernations)
	require.Zero(t, st.Leased)
	require.NoError(t, s.Close())
}

// seekingStore finds nobody until it is told to.
type seekingStore struct {
	*storetest.Fake
	find chan struct{}
}

func (s seekingStore) Manifest(agent string) (runtime.Manifest, error) {
	<-s.find
	return s.Fake.Manifest(agent)
}

// Requests whose agents are looked up on disk are in the queue, and count as what they are about to take: nobody is let in beside them for whom there is no room.
func TestTheQueueIsBoundedWhileAgentsAreLookedUp(t *testing.T) {
	const batch, queue = 3, 2
	for name, c := range map[string]struct {
		cfg  actors.Config
		most int
	}{
		"by its length":    {actors.Config{MaxBatch: batch, MaxQueue: 5}, 5},
		"by the batch":     {actors.Config{MaxBatch: batch, MaxQueue: queue}, batch},
		"by the pool":      {actors.Config{MaxBatch: 100, MaxQueue: queue}, 4}, // 4 × 3 blocks of 12
		"without a queue":  {actors.Config{MaxBatch: batch, MaxQueue: -1}, batch},
		"by an empty pool": {actors.Config{MaxBatch: 100, MaxQueue: -1}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			store := seekingStore{storetest.NewFake(), make(chan struct{})}
			find := sync.OnceFunc(func() { close(store.find) })
			defer find() // else a failure would hang
			c.cfg.Store = store
			s := start(t, enginetest.Options{Blocks: 12}, c.cfg)
			var streams []*actors.Stream
			for n := range c.most + 3 {
				st, err := s.Generate(context.Background(), actors.Request{Agent: fmt.Sprint(n), Prompt: prompt(n, 40), MaxTokens: 5})
				if n < c.most {
					require.NoError(t, err, "request %d", n)
					streams = append(streams, st)
				} else {
					wantKind(t, runtime.Busy, err)
				}
			}
			find()
			for _, st := range streams {
				_, _, o := read(st)
				require.NoError(t, o.Err)
			}
			ask(t, s, "late", prompt(1, 40), 5)
		})
	}
}

// slowStore lets nothing be written until it is told.
type slowStore struct {
	*storetest.Fake
	write chan struct{}
	began chan struct{}
}

func (s slowStore) Save(m runtime.Manifest, block func(int) ([]byte, error)) error {
	s.began <- struct{}{}
	<-s.write
	return s.Fake.Save(m, block)
}

// While an agent is written, others are served, and so is it: the blocks that are being written stay what they are.
func TestASaveIsInNobodysWay(t *testing.T) {
	store := slowStore{storetest.NewFake(), make(chan struct{}), make(chan struct{})}
	ring := make(chan func(), 10)
	s := start(t, enginetest.Options{}, actors.Config{Store: store, Check: true, After: func(_ time.Duration, f func()) func() bool {
		ring <- f
		return func() bool { return true }
	}, IdleSave: time.Nanosecond})
	p := prompt(3, 50)
	ask(t, s, "a", p, 9)
	(<-ring)()
	<-store.began
	ask(t, s, "b", prompt(4, 70), 9)
	next := append(append(p[:len(p):len(p)], enginetest.Greedy(64, p, 9)...), 5)
	require.Equal(t, 48, ask(t, s, "a", next, 9), "the partial block, which is being written, is computed in another one")
	close(store.write)
	go func() {
		for range store.began {
		}
	}()
	require.NoError(t, s.Drain(context.Background()))
	close(store.began)
	m, err := store.Manifest(store.List()[0].Agent)
	require.NoError(t, err)
	require.Equal(t, len(next)+8, m.Length)
	require.True(t, m.Sound(16))
	require.Equal(t, 2, store.Usage().Agents)
}

// After a restart, twenty agents that were never there read the beginning that others saved, once, and compute only what is their own; so do those without
// a name. What they save shares it.
func TestNewAgentsBeginWithWhatOthersSaved(t *testing.T) {
	const agents, common = 20, 1600
	store := storetest.NewFake()
	o := enginetest.Options{Context: 4000, Blocks: 400}
	system := words(rand.New(rand.NewPCG(1, 2)), common)
	s := start(t, o, actors.Config{Store: store, Check: true})
	ask(t, s, "first", append(system[:common:common], 1, 2, 3), 2)
	require.NoError(t, s.Close())

	s = start(t, o, actors.Config{Store: store, Check: true, MaxBatch: 32})
	var all sync.WaitGroup
	for n := range agents {
		r := actors.Request{Prompt: append(system[:common:common], words(rand.New(rand.NewPCG(uint64(n), 3)), 21)...), MaxTokens: 2}
		if n%4 > 0 {
			r.Agent = fmt.Sprint(n)
		}
		st := generate(t, s, r)
		all.Go(func() {
			text, cached, o := read(st)
			if o.Err != nil || cached != common || text != spell(enginetest.Greedy(64, r.Prompt, 2)) {
				t.Errorf("agent %d: %q, %d cached, %v", n, text, cached, o.Err)
			}
			if want := (actors.Miss{Why: actors.MissNew}); r.Agent != "" && o.Miss != want {
				t.Errorf("agent %d: %+v", n, o.Miss)
			}
		})
	}
	all.Wait()
	st := stats(t, s)
	require.EqualValues(t, common/16*64, st.RestoredBytes, "read once")
	require.EqualValues(t, agents*21, st.Prefilled)
	require.Zero(t, st.StoreErrors)
	require.NoError(t, s.Close())
	require.Equal(t, agents-agents/4+1, store.Usage().Agents)
	require.LessOrEqual(t, store.Usage().Blocks, common/16+agents*2, "stored once")

	s = start(t, o, actors.Config{Store: store, Check: true})
	_, cached, out := read(generate(t, s, actors.Request{Prompt: system, Owner: "somebody else", MaxTokens: 1}))
	require.NoError(t, out.Err)
	require.Zero(t, cached, "another owner's are not found")
}

// worn is a store that cannot read one of its blocks.
type worn struct {
	*storetest.Fake
	bad runtime.BlockKey
}

func (s *worn) Block(key runtime.BlockKey, use func([]byte) error) error {
	if key == s.bad {
		return errBad
	}
	return s.Fake.Block(key, use)
}

// An agent in the pool that is sent another conversation reads the beginning of it that somebody else saved, beside what it knows if there is room.
func TestAnAgentInThePoolBeginsWithWhatOthersSaved(t *testing.T) {
	const common, known = 1600, 100
	system, own := words(rand.New(rand.NewPCG(1, 4)), common), words(rand.New(rand.NewPCG(2, 4)), known)
	keys := runtime.Chain(enginetest.NewFake(enginetest.Options{}).Info().Tag, "", 16, system, nil)
	differs := runtime.CommonPrefix(own, system)
	for name, c := range map[string]struct {
		blocks, bad int
		want        int
		miss        actors.Miss
	}{
		"all of it":               {common/16 + known/16 + 3, -1, common, actors.Miss{Position: differs, Why: actors.MissTokens}},
		"but for what is damaged": {400, 70, 70 * 16, actors.Miss{Position: 70 * 16, Why: actors.MissDamaged}},
		"but for all of it":       {400, 0, 0, actors.Miss{Position: 0, Why: actors.MissDamaged}},
		"unless there is no room": {common/16 + known/16, -1, 0, actors.Miss{Position: differs, Why: actors.MissTokens}},
	} {
		t.Run(name, func(t *testing.T) {
			store, o := &worn{Fake: storetest.NewFake()}, enginetest.Options{Context: 4000, Blocks: c.blocks}
			s := start(t, o, actors.Config{Store: store, Check: true})
			ask(t, s, "other", append(system[:common:common], 1, 2, 3), 2)
			require.NoError(t, s.Close())
			if c.bad >= 0 {
				store.bad = keys[c.bad]
			}
			s = start(t, o, actors.Config{Store: store, Check: true})
			ask(t, s, "a", own, 2)
			p := append(system[:common:common], 4, 5, 6)
			text, cached, out := read(generate(t, s, actors.Request{Agent: "a", Prompt: p, MaxTokens: 2}))
			require.NoError(t, out.Err)
			require.Equal(t, spell(enginetest.Greedy(64, p, 2)), text)
			require.Equal(t, c.want, cached)
			require.Equal(t, c.miss, out.Miss)
			st := stats(t, s)
			require.EqualValues(t, known+1+len(p)-c.want+1, st.Prefilled+st.Decoded)
			require.EqualValues(t, min(c.bad, 0)+1, st.StoreErrors)
			require.EqualValues(t, c.want*4, st.RestoredBytes)
			require.Zero(t, st.Hibernations, "nobody made room")
		})
	}
}

// Twenty agents in the pool that are sent the same beginning at once read it once.
func TestTwentyInThePoolReadWhatOthersSavedOnce(t *testing.T) {
	const agents, common = 20, 1600
	store, o := storetest.NewFake(), enginetest.Options{Context: 4000, Blocks: 400}
	system := words(rand.New(rand.NewPCG(1, 2)), common)
	s := start(t, o, actors.Config{Store: store})
	ask(t, s, "first", append(system[:common:common], 1, 2, 3), 2)
	require.NoError(t, s.Close())

	s = start(t, o, actors.Config{Store: store, Check: true, MaxBatch: 32})
	for n := range agents {
		ask(t, s, fmt.Sprint(n), words(rand.New(rand.NewPCG(uint64(n), 5)), 21), 2)
	}
	var all sync.WaitGroup
	for n := range agents {
		st := generate(t, s, actors.Request{Agent: fmt.Sprint(n), Prompt: append(system[:common:common], int32(n), 1, 2), MaxTokens: 2})
		all.Go(func() {
			if _, cached, o := read(st); o.Err != nil || cached != common {
				t.Errorf("agent %d: %d cached, %v", n, cached, o.Err)
			}
		})
	}
	all.Wait()
	st := stats(t, s)
	require.EqualValues(t, 1, st.Restores)
	require.EqualValues(t, common/16*64, st.RestoredBytes)
}

// A file in which a bit flipped is set aside, and what it held of the prompt is computed, as is what comes after it.
func TestAFlippedBitOnDisk(t *testing.T) {
	const common = 800
	dir, o := t.TempDir(), enginetest.Options{Context: 4000, Blocks: 400}
	open := func() (*persistence.Disk, *actors.System) {
		d, err := persistence.Open(dir, persistence.Options{})
		require.NoError(t, err)
		return d, start(t, o, actors.Config{Store: d, Check: true})
	}
	system := words(rand.New(rand.NewPCG(1, 6)), common)
	d, s := open()
	ask(t, s, "other", append(system[:common:common], 1, 2, 3), 2)
	require.NoError(t, s.Close())
	require.NoError(t, d.Close())
	blocks := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(dir, "blocks"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		if blocks++; blocks != 9 {
			return nil
		}
		file, err := os.ReadFile(path)
		if err == nil {
			file[len(file)-1] ^= 1
			err = os.WriteFile(path, file, 0o600)
		}
		return err
	}))
	require.Equal(t, common/16+1, blocks)

	d, s = open()
	ask(t, s, "a", words(rand.New(rand.NewPCG(2, 6)), 40), 2)
	p := append(system[:common:common], 4, 5, 6)
	cached := ask(t, s, "a", p, 2)
	require.Less(t, cached, common)
	require.Equal(t, 1, d.Usage().Quarantined)
	require.EqualValues(t, 40+len(p)-cached, stats(t, s).Prefilled)
	require.NoError(t, s.Save(context.Background(), "a"))
	require.Equal(t, common/16, d.Has(runtime.Chain(s.Tag(), "", 16, system, nil)), "it is there again")
	require.NoError(t, s.Close())
	require.NoError(t, d.Close())
}
