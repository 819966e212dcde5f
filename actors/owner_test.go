package actors_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/storetest"
)

// Who sends what another owner has sent before finds nothing of it, however either of them is called.
func TestOwnersShareNothing(t *testing.T) {
	s := start(t, enginetest.Options{}, actors.Config{Check: true})
	p := prompt(5, 100)
	cached := func(r actors.Request) int {
		r.Prompt, r.MaxTokens = p, 4
		text, cached, o := read(generate(t, s, r))
		require.NoError(t, o.Err)
		require.Equal(t, spell(enginetest.Greedy(64, p, 4)), text)
		return cached
	}
	for _, owner := range []string{"", "p", "q"} {
		prefix := owner
		if owner != "" {
			prefix += "/"
		}
		require.Zero(t, cached(actors.Request{Owner: owner}), "%q", owner)
		require.Equal(t, 96, cached(actors.Request{Owner: owner}))
		require.Equal(t, 96, cached(actors.Request{Agent: prefix + "a", Owner: "whatever"}))
		require.Equal(t, 99, cached(actors.Request{Agent: prefix + "a"}))
		require.Equal(t, 96, cached(actors.Request{Agent: prefix + "b"}))
	}
	wantKind(t, runtime.Invalid, s.Fork(context.Background(), "p/a", "q/c"))
	wantKind(t, runtime.Invalid, s.Fork(context.Background(), "p/a", "c"))
	require.NoError(t, s.Fork(context.Background(), "p/a", "p/c"))
}

// What an owner's agents have on disk comes back after a restart, and to nobody else.
func TestOwnedAgentsComeBack(t *testing.T) {
	store := storetest.NewFake()
	s := start(t, enginetest.Options{}, actors.Config{Store: store, Check: true})
	p := prompt(5, 100)
	require.Zero(t, ask(t, s, "p/a", p, 9))
	require.Zero(t, ask(t, s, "q/a", p, 9))
	require.NoError(t, s.Close())
	require.Equal(t, 2*7, store.Usage().Blocks, "nothing is shared on disk either")

	s = start(t, enginetest.Options{}, actors.Config{Store: store, Check: true})
	next := append(append(p[:len(p):len(p)], enginetest.Greedy(64, p, 9)...), 1)
	require.Equal(t, 108, ask(t, s, "p/a", next, 9))
	require.Zero(t, ask(t, s, "r/a", next, 9))
	require.Equal(t, 108, ask(t, s, "q/a", next, 9))
	require.Zero(t, stats(t, s).StoreErrors)
}
