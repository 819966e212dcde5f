package runtime_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

// ledgerModel is a ledger made plainly: a map from block to what refers to it, and the index as a list of keys in order of use.
type ledgerModel struct {
	total  int
	leases map[runtime.BlockID]int
	holds  map[runtime.BlockID]int
	keys   map[runtime.BlockID]int // published blocks and their keys
	loose  []runtime.BlockID       // from the coldest to the warmest
}

func (m *ledgerModel) state(b runtime.BlockID) runtime.BlockState {
	_, published := m.keys[b]
	switch {
	case m.leases[b] > 0:
		return runtime.Leased
	case m.holds[b] > 0 || published:
		return runtime.Cached
	}
	return runtime.Free
}

func (m *ledgerModel) count(s runtime.BlockState) (n int) {
	for b := range m.total {
		if m.state(runtime.BlockID(b)) == s {
			n++
		}
	}
	return n
}

func (m *ledgerModel) used() (out []runtime.BlockID) {
	for b := range m.total {
		if m.state(runtime.BlockID(b)) != runtime.Free {
			out = append(out, runtime.BlockID(b))
		}
	}
	return out
}

func (m *ledgerModel) refer(to map[runtime.BlockID]int, blocks []runtime.BlockID) {
	for _, b := range blocks {
		to[b]++
		m.loose = slices.DeleteFunc(m.loose, func(x runtime.BlockID) bool { return x == b })
	}
}

func (m *ledgerModel) end(from map[runtime.BlockID]int, blocks []runtime.BlockID, cold bool) {
	if !cold {
		blocks = slices.Clone(blocks)
		slices.Reverse(blocks)
	}
	for _, b := range blocks {
		from[b]--
		if _, published := m.keys[b]; published && m.leases[b]+m.holds[b] == 0 {
			if cold {
				m.loose = slices.Insert(m.loose, 0, b)
			} else {
				m.loose = append(m.loose, b)
			}
		}
	}
}

func key(n int) runtime.BlockKey { return runtime.BlockKey{byte(n), byte(n >> 8)} }

// TestLedgerAgainstAModel plays random moves: no reference is lost, no block that somebody refers to is given out, and the coldest loose block goes first.
func TestLedgerAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &ledgerModel{total: rapid.IntRange(0, 24).Draw(t, "total")}
		m.leases, m.holds, m.keys = map[runtime.BlockID]int{}, map[runtime.BlockID]int{}, map[runtime.BlockID]int{}
		l := runtime.NewLedger(m.total)
		// some draws distinct blocks that pass.
		some := func(t *rapid.T, pass func(runtime.BlockID) bool) (out []runtime.BlockID) {
			for _, b := range m.used() {
				if pass(b) && rapid.Bool().Draw(t, "too") {
					out = append(out, b)
				}
			}
			return out
		}
		all := func(runtime.BlockID) bool { return true }
		leased := func(b runtime.BlockID) bool { return m.leases[b] > 0 }
		held := func(b runtime.BlockID) bool { return m.holds[b] > 0 }
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				n := rapid.IntRange(-1, m.total+1).Draw(t, "n")
				free := m.count(runtime.Free)
				got, ok := l.Take(n)
				require.Equal(t, n >= 0 && n <= free+len(m.loose), ok)
				if !ok {
					require.Empty(t, got)
					return
				}
				require.Len(t, got, n)
				for evict := n - free; evict > 0; evict-- {
					delete(m.keys, m.loose[0])
					m.loose = m.loose[1:]
				}
				for _, b := range got {
					require.Equal(t, runtime.Free, m.state(b))
					m.leases[b] = 1
				}
			},
			"lease": func(t *rapid.T) { b := some(t, all); l.Lease(b); m.refer(m.leases, b) },
			"hold":  func(t *rapid.T) { b := some(t, all); l.Hold(b); m.refer(m.holds, b) },
			"give": func(t *rapid.T) {
				b, cold := some(t, leased), rapid.Bool().Draw(t, "cold")
				l.Give(b, cold)
				m.end(m.leases, b, cold)
			},
			"drop": func(t *rapid.T) {
				b, cold := some(t, held), rapid.Bool().Draw(t, "cold")
				l.Drop(b, cold)
				m.end(m.holds, b, cold)
			},
			"publish": func(t *rapid.T) {
				for _, b := range some(t, func(b runtime.BlockID) bool { return m.leases[b]+m.holds[b] > 0 && !l.Published(b) }) {
					k := rapid.IntRange(0, 40).Draw(t, "key")
					want := b
					for other, has := range m.keys {
						if has == k {
							want = other
						}
					}
					require.Equal(t, want, l.Publish(b, key(k)))
					if want == b {
						m.keys[b] = k
					}
				}
			},
			"withdraw": func(t *rapid.T) {
				for _, b := range some(t, func(b runtime.BlockID) bool { return m.leases[b]+m.holds[b] == 1 }) {
					l.Withdraw(b)
					delete(m.keys, b)
				}
			},
			"discard": func(t *rapid.T) {
				b := some(t, all)
				l.Discard(b)
				for _, b := range b {
					if i := slices.Index(m.loose, b); i >= 0 {
						m.loose = slices.Delete(m.loose, i, i+1)
						delete(m.keys, b)
					}
				}
			},
			"": func(t *rapid.T) {
				require.NoError(t, l.Check())
				require.Equal(t, m.total, l.Total())
				for _, s := range []runtime.BlockState{runtime.Free, runtime.Leased, runtime.Cached} {
					require.Equal(t, m.count(s), l.Count(s))
				}
				require.Equal(t, len(m.loose), l.Loose())
				require.Equal(t, len(m.loose)+m.count(runtime.Free), l.Available())
				shared := 0
				for b := range runtime.BlockID(m.total) {
					leases, holds := l.References(b)
					require.Equal(t, []int{m.leases[b], m.holds[b]}, []int{leases, holds})
					require.Equal(t, m.state(b), l.State(b))
					require.Equal(t, leases+holds == 1, l.Sole(b))
					if leases+holds > 1 {
						shared++
					}
					if k, ok := m.keys[b]; ok {
						got, found := l.Lookup(key(k))
						require.True(t, found)
						require.Equal(t, b, got)
					}
				}
				require.Equal(t, shared, l.Shared())
			},
		})
	})
}

func TestLedgerRefusesWhatTwoOwnersWouldDo(t *testing.T) {
	l := runtime.NewLedger(4)
	b, ok := l.Take(3)
	require.True(t, ok)
	l.Give(b[:1], false)
	require.Panics(t, func() { l.Give(b[:1], false) }, "given back twice")
	require.Panics(t, func() { l.Lease(b[:1]) }, "leased though free")
	require.Panics(t, func() { l.Hold(b[:1]) }, "held though free")
	require.Panics(t, func() { l.Drop(b[1:2], false) }, "dropped though not held")
	require.Panics(t, func() { l.Give([]runtime.BlockID{4}, false) }, "no such block")
	require.Panics(t, func() { l.Publish(b[0], key(1)) }, "published though free")
	l.Lease(b[1:2])
	require.Panics(t, func() { l.Withdraw(b[1]) }, "written to though shared")
	l.Publish(b[2], key(1))
	require.Panics(t, func() { l.Publish(b[2], key(2)) }, "published twice")
	require.NoError(t, l.Check())
}

// A chain of blocks that became loose is eaten from its end: a beginning without an end is of use, an end without its beginning is not.
func TestTheEndOfAContextGoesFirst(t *testing.T) {
	for _, cold := range []bool{false, true} {
		l := runtime.NewLedger(4)
		b, _ := l.Take(4)
		for i, b := range b {
			l.Publish(b, key(i))
		}
		l.Give(b, cold)
		for left := 3; left >= 0; left-- {
			got, ok := l.Take(1)
			require.True(t, ok)
			require.Equal(t, b[left], got[0])
		}
		require.EqualValues(t, 4, l.Evicted())
	}
}
