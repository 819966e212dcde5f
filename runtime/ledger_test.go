package runtime_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

// TestLedgerSums plays random moves against a plain model: one map from block to state.
func TestLedgerSums(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.IntRange(0, 40).Draw(t, "total")
		l := runtime.NewLedger(total)
		held := map[runtime.BlockState][]runtime.BlockID{}
		some := func(s runtime.BlockState) []runtime.BlockID {
			n := rapid.IntRange(0, len(held[s])).Draw(t, "n")
			out := slices.Clone(held[s][:n])
			held[s] = slices.Clone(held[s][n:])
			return out
		}
		t.Repeat(map[string]func(*rapid.T){
			"take": func(t *rapid.T) {
				n := rapid.IntRange(-1, total+1).Draw(t, "n")
				free := total - len(held[runtime.Leased]) - len(held[runtime.Cached])
				got, ok := l.Take(n)
				require.Equal(t, n >= 0 && n <= free, ok)
				if ok {
					require.Len(t, got, n)
				}
				held[runtime.Leased] = append(held[runtime.Leased], got...)
			},
			"give": func(*rapid.T) { l.Give(some(runtime.Leased)) },
			"park": func(*rapid.T) {
				b := some(runtime.Leased)
				l.Park(b)
				held[runtime.Cached] = append(held[runtime.Cached], b...)
			},
			"unpark": func(*rapid.T) {
				b := some(runtime.Cached)
				l.Unpark(b)
				held[runtime.Leased] = append(held[runtime.Leased], b...)
			},
			"": func(t *rapid.T) {
				require.NoError(t, l.Check())
				require.Equal(t, total, l.Total())
				require.Equal(t, total, l.Count(runtime.Free)+l.Count(runtime.Leased)+l.Count(runtime.Cached))
				require.Equal(t, len(held[runtime.Leased]), l.Count(runtime.Leased))
				require.Equal(t, len(held[runtime.Cached]), l.Count(runtime.Cached))
			},
		})
	})
}

func TestLedgerRefusesWhatTwoOwnersWouldDo(t *testing.T) {
	l := runtime.NewLedger(4)
	b, ok := l.Take(2)
	require.True(t, ok)
	l.Give(b[:1])
	require.Panics(t, func() { l.Give(b[:1]) }, "given back twice")
	require.Panics(t, func() { l.Park(b[:1]) }, "parked though free")
	require.Panics(t, func() { l.Unpark(b[1:]) }, "unparked though leased")
	require.Panics(t, func() { l.Give([]runtime.BlockID{4}) }, "no such block")
	require.NoError(t, l.Check())
}
