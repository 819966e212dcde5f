package actors_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/storetest"
)

func info(t testing.TB, s *actors.System, id string) actors.AgentInfo {
	t.Helper()
	a, err := s.Agent(context.Background(), id)
	require.NoError(t, err)
	return a
}

func wantKind(t testing.TB, kind runtime.Kind, err error) {
	t.Helper()
	require.Error(t, err)
	require.Equal(t, kind, runtime.KindOf(err), "%v", err)
}

func TestAgentsAreListedWhereverTheyAre(t *testing.T) {
	ctx := context.Background()
	store := storetest.NewFake()
	s := start(t, enginetest.Options{}, actors.Config{Store: store, Now: func() time.Time { return time.Unix(1000, 0) }})
	for _, id := range []string{"k1/b", "k1/a", "k1/c", "c"} {
		ask(t, s, id, prompt(1, 40), 5)
	}
	require.NoError(t, s.Hibernate(ctx, "k1/b"))
	require.NoError(t, s.Save(ctx, "k1/a"))

	page, next, err := s.Agents(ctx, "", "", 3)
	require.NoError(t, err)
	var ids []string
	for _, a := range page {
		ids = append(ids, a.ID)
	}
	require.Equal(t, []string{"c", "k1/a", "k1/b"}, ids)
	require.Equal(t, "k1/b", next)
	page, next, err = s.Agents(ctx, "", next, 3)
	require.NoError(t, err)
	require.Len(t, page, 1)
	require.Empty(t, next)
	page, next, err = s.Agents(ctx, "k1/", "", 9)
	require.NoError(t, err)
	require.Empty(t, next)
	// 44 tokens: two full blocks that the agents of an owner share, and a partial one.
	require.Equal(t, []actors.AgentInfo{
		{ID: "k1/a", State: "idle", Tokens: 44, Hot: 3, Shared: 2, Disk: 3, Bytes: 6 * 64, LastUsed: time.Unix(1000, 0), Requests: 1, CachedTokens: 32},
		{ID: "k1/b", State: "hibernated", Tokens: 44, Disk: 3, Bytes: 3 * 64, LastUsed: time.Unix(1000, 0), Requests: 1},
		{ID: "k1/c", State: "idle", Tokens: 44, Hot: 3, Shared: 2, Bytes: 3 * 64, LastUsed: time.Unix(1000, 0), Requests: 1, CachedTokens: 32},
	}, page)
	page, _, err = s.Agents(ctx, "k3/", "", 9)
	require.NoError(t, err)
	require.Empty(t, page)
	_, _, err = s.Agents(ctx, "", "", 0)
	wantKind(t, runtime.Invalid, err)
	_, err = s.Agent(ctx, "k1/")
	wantKind(t, runtime.Unknown, err)

	c, err := s.Cache(ctx)
	require.NoError(t, err)
	require.Equal(t, actors.CacheInfo{
		Blocks: 64, Free: 64 - 2 - 5, Cached: 2 + 5, Shared: 2, BlockTokens: 16, BlockBytes: 64, AgentsHot: 3, AgentsSaved: 2, Hits: 2 * 32, Misses: 2*40 + 2*8,
		Hibernations: 1, SavedBytes: c.SavedBytes, Disk: store.Usage(),
	}, c)
	require.Positive(t, c.SavedBytes)
}

func TestHibernateAndComeBack(t *testing.T) {
	ctx := context.Background()
	s := start(t, enginetest.Options{}, actors.Config{Store: storetest.NewFake()})
	p := prompt(1, 40)
	ask(t, s, "a", p, 5)
	require.NoError(t, s.Hibernate(ctx, "a"))
	require.NoError(t, s.Hibernate(ctx, "a"), "it is there already")
	require.NoError(t, s.Save(ctx, "a"))
	require.Zero(t, stats(t, s).IdleAgents)
	require.Equal(t, 39, ask(t, s, "a", p, 5))
	require.Equal(t, "idle", info(t, s, "a").State)
	wantKind(t, runtime.Unknown, s.Hibernate(ctx, "b"))
	wantKind(t, runtime.Unknown, s.Save(ctx, "b"))
	wantKind(t, runtime.Unknown, s.Delete(ctx, "b", false))
	wantKind(t, runtime.Unknown, s.Delete(ctx, "b", true))
	wantKind(t, runtime.Unknown, s.Pin(ctx, "b", true))
	wantKind(t, runtime.Unknown, s.Fork(ctx, "b", "c"))
	require.Zero(t, stats(t, s).StoreErrors, "an agent that is not there is no failure of the store")

	without := start(t, enginetest.Options{}, actors.Config{})
	ask(t, without, "a", p, 5)
	wantKind(t, runtime.Invalid, without.Hibernate(ctx, "a"))
	wantKind(t, runtime.Invalid, without.Save(ctx, "a"))
	wantKind(t, runtime.Unknown, without.Save(ctx, "b"))
	require.NoError(t, without.Pin(ctx, "a", true))
	require.True(t, info(t, without, "a").Pinned)
	require.NoError(t, without.Delete(ctx, "a", true))
	_, err := without.Agent(ctx, "a")
	wantKind(t, runtime.Unknown, err)
	require.Equal(t, 64, stats(t, without).Free, "nothing is left of it")
}

func TestWhatABusyAgentRefuses(t *testing.T) {
	ctx := context.Background()
	g := newGate()
	store := storetest.NewFake()
	s := start(t, enginetest.Options{BeforeStep: g.beforeStep}, actors.Config{Store: store, PrefillChunk: 32})
	st := generate(t, s, actors.Request{Agent: "a", Prompt: prompt(1, 70), MaxTokens: 3})
	g.wait()
	wantKind(t, runtime.Conflict, s.Hibernate(ctx, "a"))
	wantKind(t, runtime.Conflict, s.Delete(ctx, "a", false))
	wantKind(t, runtime.Unknown, s.Fork(ctx, "a", "b"))
	require.NoError(t, s.Pin(ctx, "a", true))
	require.Equal(t, "running", info(t, s, "a").State)
	g.let()
	g.wait() // the second chunk: two blocks are computed
	require.NoError(t, s.Save(ctx, "a"))
	require.NoError(t, s.Fork(ctx, "a", "b"))
	a, b := info(t, s, "a"), info(t, s, "b")
	require.Equal(t, []int{5, 2, 2}, []int{a.Hot, a.Shared, a.Disk})
	require.Equal(t, []int{32, 2, 2, 0}, []int{b.Tokens, b.Hot, b.Shared, b.Disk})
	require.True(t, a.Pinned)
	require.True(t, store.List()[0].Pinned)
	wantKind(t, runtime.Invalid, s.Fork(ctx, "a", "b"))
	wantKind(t, runtime.Invalid, s.Fork(ctx, "a", "a"))
	g.open()
	_, _, o := read(st)
	require.NoError(t, o.Err)
}

// A fork knows what the original knows; then each goes its own way.
func TestForks(t *testing.T) {
	ctx := context.Background()
	p := prompt(1, 40)
	next := append(append(p[:len(p):len(p)], enginetest.Greedy(64, p, 5)...), 9)
	for _, where := range []string{"in the pool", "on disk", "in the pool without a disk"} {
		t.Run(where, func(t *testing.T) {
			cfg := actors.Config{Check: true}
			if where != "in the pool without a disk" {
				cfg.Store = storetest.NewFake()
			}
			s := start(t, enginetest.Options{}, cfg)
			ask(t, s, "a", p, 5)
			if where == "on disk" {
				require.NoError(t, s.Hibernate(ctx, "a"))
			}
			for n := range 3 {
				require.NoError(t, s.Fork(ctx, "a", fmt.Sprint("fork", n)))
			}
			require.Equal(t, 44, info(t, s, "fork1").Tokens)
			wantKind(t, runtime.Invalid, s.Fork(ctx, "a", "fork1"))
			if where != "on disk" {
				require.Equal(t, 3, stats(t, s).Cached, "three blocks hold them all")
			}
			// The first ones to go on leave the partial block to the last.
			want := map[bool]int{true: 44, false: 32}
			require.Equal(t, want[where == "on disk"], ask(t, s, "fork0", next, 3))
			require.Equal(t, want[where == "on disk"], ask(t, s, "a", append(next, 3), 3))
			require.Equal(t, want[where == "on disk"], ask(t, s, "fork1", append(next, 4), 3))
			require.Equal(t, 44, ask(t, s, "fork2", append(next, 5), 3))
			require.NoError(t, s.Delete(ctx, "a", false))
			require.Equal(t, len(next)+1+3-1, info(t, s, "fork2").Tokens)
			_, err := s.Agent(ctx, "a")
			wantKind(t, runtime.Unknown, err)
		})
	}
}

func TestDeleteKeepsTheDiskIfTold(t *testing.T) {
	ctx := context.Background()
	store := storetest.NewFake()
	s := start(t, enginetest.Options{}, actors.Config{Store: store})
	p := prompt(1, 40)
	ask(t, s, "a", p, 5)
	require.NoError(t, s.Save(ctx, "a"))
	require.NoError(t, s.Delete(ctx, "a", true))
	require.Equal(t, "hibernated", info(t, s, "a").State)
	require.Equal(t, 64, stats(t, s).Free)
	require.NoError(t, s.Delete(ctx, "a", true), "it is not in the pool")
	require.Equal(t, 39, ask(t, s, "a", p, 5))
	require.NoError(t, s.Delete(ctx, "a", false))
	require.Zero(t, store.Usage().Blocks)
	require.Zero(t, ask(t, s, "a", p, 5))
}

func TestPinsAreKept(t *testing.T) {
	ctx := context.Background()
	store := storetest.NewFake()
	o := enginetest.Options{Blocks: 12}
	s := start(t, o, actors.Config{Store: store, MaxShare: 1})
	ask(t, s, "old", prompt(1, 60), 1)
	require.NoError(t, s.Pin(ctx, "old", true))
	ask(t, s, "new", prompt(2, 60), 1)
	ask(t, s, "third", prompt(3, 60), 1)
	ask(t, s, "fourth", prompt(4, 60), 1)
	require.Equal(t, "idle", info(t, s, "old").State, "others made room though they were used since")
	require.NoError(t, s.Hibernate(ctx, "old"))
	require.True(t, info(t, s, "old").Pinned)
	require.NoError(t, s.Close())
	s = start(t, o, actors.Config{Store: store})
	require.True(t, info(t, s, "old").Pinned)
	ask(t, s, "old", prompt(1, 60), 1)
	require.True(t, info(t, s, "old").Pinned)
	require.NoError(t, s.Pin(ctx, "old", false))
	require.NoError(t, s.Pin(ctx, "new", true), "on disk")
	require.False(t, info(t, s, "old").Pinned)
	require.True(t, info(t, s, "new").Pinned)
}

// A pin counts also for an agent that was found on disk, and waits for room there.
func TestPinsOfAgentsThatWait(t *testing.T) {
	ctx := context.Background()
	store := storetest.NewFake()
	s := start(t, enginetest.Options{Blocks: 12}, actors.Config{Store: store})
	ask(t, s, "a", prompt(1, 60), 1)
	require.NoError(t, s.Close())

	g := newGate()
	s = start(t, enginetest.Options{Blocks: 12, BeforeStep: g.beforeStep}, actors.Config{Store: store, Check: true})
	first := generate(t, s, actors.Request{Prompt: prompt(2, 10*16), MaxTokens: 1})
	g.wait()
	second := generate(t, s, actors.Request{Agent: "a", Prompt: prompt(1, 60), MaxTokens: 1})
	require.NoError(t, s.Pin(ctx, "a", true))
	g.open()
	for _, st := range []*actors.Stream{first, second} {
		_, _, o := read(st)
		require.NoError(t, o.Err)
	}
	require.NoError(t, s.Save(ctx, "a"))
	require.NoError(t, s.Close())
	require.True(t, store.List()[0].Pinned)
}

func TestMisses(t *testing.T) {
	ctx := context.Background()
	store := storetest.NewFake()
	miss := func(s *actors.System, agent string, p []int32) actors.Miss {
		st := generate(t, s, actors.Request{Agent: agent, Prompt: p, MaxTokens: 1})
		e := <-st.Events()
		require.True(t, e.Started)
		_, _, o := read(st)
		require.NoError(t, o.Err)
		require.Equal(t, e.Miss, o.Miss)
		return o.Miss
	}
	open := func(tag string) *actors.System {
		s, err := actors.Start(actors.Config{Engine: tagged{enginetest.NewFake(enginetest.Options{Blocks: 20}), tag}, Model: plainModel(),
			Decoder: func() actors.Decoder { return letters{} }, Store: store})
		require.NoError(t, err)
		return s
	}
	s := open("one")
	p := prompt(1, 50)
	other := append(append(p[:37:37], 63), p[38:]...)
	require.Equal(t, actors.Miss{Why: actors.MissNew}, miss(s, "a", p))
	require.Zero(t, miss(s, "a", p))
	require.Zero(t, miss(s, "a", append(p, 1, 2, 3)))
	require.Equal(t, actors.Miss{Position: 37, Why: actors.MissTokens}, miss(s, "a", other))
	require.Zero(t, miss(s, "", prompt(2, 30)), "nobody who could have known")
	require.NoError(t, s.Hibernate(ctx, "a"))
	require.Equal(t, actors.Miss{Position: 37, Why: actors.MissTokens}, miss(s, "a", p))
	require.NoError(t, s.Hibernate(ctx, "a"))
	require.Equal(t, actors.Miss{Position: 0, Why: actors.MissTokens}, miss(s, "a", prompt(3, 60)), "on disk, but of no use")
	require.NoError(t, s.Close())

	s = open("two")
	require.Equal(t, actors.Miss{Why: actors.MissTag}, miss(s, "a", p))
	require.NoError(t, s.Close())

	s = open("one")
	m, err := store.Manifest(store.List()[0].Agent)
	require.NoError(t, err)
	if m.Tag != "one" {
		m, err = store.Manifest(store.List()[1].Agent)
		require.NoError(t, err)
	}
	require.True(t, store.Damage(m.Blocks[1]))
	require.Equal(t, actors.Miss{Position: 16, Why: actors.MissDamaged}, miss(s, "a", append(prompt(3, 60), 1)))
	require.NoError(t, s.Close())

	var got []actors.Miss
	lost := storetest.NewFake()
	s = start(t, enginetest.Options{}, actors.Config{Store: lost})
	for _, lose := range []func(name string){
		func(name string) { require.NoError(t, lost.Delete(name)) }, // the budget of the disk would do that
		func(name string) {
			require.NoError(t, lost.Save(runtime.Manifest{Agent: name, Tag: s.Tag(), Length: 9}, nil))
		},
	} {
		miss(s, "a", p)
		require.NoError(t, s.Hibernate(ctx, "a"))
		lose(s.SavedName("a"))
		got = append(got, miss(s, "a", prompt(2, 50)))
	}
	require.Equal(t, []actors.Miss{{Why: actors.MissEvicted}, {Why: actors.MissDamaged}}, got)

	s = start(t, enginetest.Options{Blocks: 8}, actors.Config{})
	miss(s, "a", p)
	miss(s, "b", prompt(2, 120))
	require.Equal(t, actors.Miss{Why: actors.MissEvicted}, miss(s, "a", p))
}
