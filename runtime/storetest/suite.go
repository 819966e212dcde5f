package storetest

import (
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// Run checks that a store keeps the contract of [runtime.Store]. open returns an empty store for each check.
func Run(t *testing.T, open func(t *testing.T) runtime.Store) {
	for _, check := range []struct {
		name string
		run  func(*testing.T, runtime.Store)
	}{
		{"what was saved comes back", saved},
		{"a block that the store has is not asked for again", incremental},
		{"a failed save changes nothing", failed},
		{"blocks live as long as somebody names them", collected},
		{"what is not there is Unknown", unknown},
		{"it knows which blocks it has", has},
		{"callers cannot change what is stored", isolated},
	} {
		t.Run(check.name, func(t *testing.T) {
			s := open(t)
			defer func() { require.NoError(t, s.Close()) }()
			check.run(t, s)
		})
	}
}

//nolint:gochecknoglobals // never written to
var contents = [...]string{"block zero", "block one", "block two", "block three"}

// agent makes a manifest over some of the contents.
func agent(id string, blocks ...int) runtime.Manifest {
	m := runtime.Manifest{Agent: id, Tag: "tag", Length: len(blocks), SavedAt: time.Unix(1700000000, 0).UTC()}
	for _, b := range blocks {
		m.Tokens = append(m.Tokens, int32(b))
		m.Blocks = append(m.Blocks, sha256.Sum256([]byte(contents[b])))
	}
	return m
}

// save saves an agent and returns for which blocks the contents were asked.
func save(t *testing.T, s runtime.Store, m runtime.Manifest) []int {
	t.Helper()
	asked := []int{}
	require.NoError(t, s.Save(m, func(i int) ([]byte, error) {
		asked = append(asked, i)
		return []byte(contents[m.Tokens[i]]), nil
	}))
	return asked
}

func saved(t *testing.T, s runtime.Store) {
	a, b := agent("a", 0, 1), agent("b", 2)
	b.Pinned = true
	save(t, s, b)
	save(t, s, a)
	for _, want := range []runtime.Manifest{a, b} {
		got, err := s.Manifest(want.Agent)
		require.NoError(t, err)
		require.Equal(t, want, got)
		for i, key := range got.Blocks {
			data, err := Contents(s, key)
			require.NoError(t, err)
			require.Equal(t, contents[want.Tokens[i]], string(data))
		}
	}
	list := s.List()
	require.Len(t, list, 2)
	for i, m := range []runtime.Manifest{a, b} {
		got := list[i]
		require.Positive(t, got.Bytes)
		got.Bytes = 0
		require.Equal(t, runtime.Saved{Agent: m.Agent, Tag: m.Tag, Length: m.Length, Blocks: len(m.Blocks), SavedAt: m.SavedAt, Pinned: m.Pinned}, got)
	}
	usage := s.Usage()
	require.Equal(t, 2, usage.Agents)
	require.Equal(t, 3, usage.Blocks)
	require.Positive(t, usage.Bytes)
	require.GreaterOrEqual(t, usage.Written, usage.Bytes)
}

func incremental(t *testing.T, s runtime.Store) {
	require.Equal(t, []int{0, 1}, save(t, s, agent("a", 0, 1)))
	require.Equal(t, []int{2}, save(t, s, agent("a", 0, 1, 2)), "only the new block of the next turn")
	require.Equal(t, []int{2}, save(t, s, agent("b", 0, 1, 3)), "blocks of another agent are shared")
	require.Equal(t, []int{}, save(t, s, agent("c", 3, 2)))
}

func failed(t *testing.T, s runtime.Store) {
	before := agent("a", 0)
	save(t, s, before)
	bang := errors.New("bang")
	err := s.Save(agent("a", 1, 2), func(i int) ([]byte, error) {
		if i == 1 {
			return nil, bang
		}
		return []byte(contents[1]), nil
	})
	require.ErrorIs(t, err, bang)
	got, err := s.Manifest("a")
	require.NoError(t, err)
	require.Equal(t, before, got)
	_, err = Contents(s, before.Blocks[0])
	require.NoError(t, err)
}

func collected(t *testing.T, s runtime.Store) {
	a, b := agent("a", 0, 1), agent("b", 1, 2)
	save(t, s, a)
	save(t, s, b)
	require.NoError(t, s.Delete("a"))
	require.NoError(t, s.Delete("a"), "twice")
	_, err := Contents(s, a.Blocks[0])
	require.Equal(t, runtime.Unknown, runtime.KindOf(err), "nobody names it")
	_, err = Contents(s, a.Blocks[1])
	require.NoError(t, err, "b names it")
	save(t, s, agent("b", 3))
	_, err = Contents(s, b.Blocks[1])
	require.Equal(t, runtime.Unknown, runtime.KindOf(err), "b's newer manifest does not name it")
}

func unknown(t *testing.T, s runtime.Store) {
	_, err := s.Manifest("nobody")
	require.Equal(t, runtime.Unknown, runtime.KindOf(err))
	_, err = Contents(s, runtime.BlockKey{1})
	require.Equal(t, runtime.Unknown, runtime.KindOf(err))
	require.Empty(t, s.List())
	require.Zero(t, s.Usage().Agents)
}

func has(t *testing.T, s runtime.Store) {
	all := agent("all", 0, 1, 2, 3).Blocks
	require.Zero(t, s.Has(all))
	require.Zero(t, s.Has(nil))
	save(t, s, agent("a", 0, 1))
	save(t, s, agent("b", 3))
	require.Equal(t, 2, s.Has(all), "the third is not there, so the fourth is of no use")
	save(t, s, agent("b", 2, 3))
	require.Equal(t, 4, s.Has(all))
	require.Equal(t, 1, s.Has(all[:1]))
	require.NoError(t, s.Delete("a"))
	require.Zero(t, s.Has(all))
}

func isolated(t *testing.T, s runtime.Store) {
	m := agent("a", 0)
	data := []byte(contents[0])
	require.NoError(t, s.Save(m, func(int) ([]byte, error) { return data, nil }))
	data[0], m.Tokens[0] = 'X', 99
	got, err := s.Manifest("a")
	require.NoError(t, err)
	require.Equal(t, int32(0), got.Tokens[0])
	block, err := Contents(s, got.Blocks[0])
	require.NoError(t, err)
	require.Equal(t, contents[0], string(block))
}
