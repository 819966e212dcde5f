package runtime_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

func TestLeaseGrowsAndShrinks(t *testing.T) {
	l := runtime.Lease{BlockTokens: 4}
	l.Extend([]runtime.BlockID{7, 3, 9})
	require.Equal(t, 12, l.Room())
	l.Advance(9)
	require.Equal(t, 3, l.Room())
	require.Empty(t, l.Truncate(9))
	require.Equal(t, []runtime.BlockID{9}, l.Truncate(8))
	require.Equal(t, []runtime.BlockID{3}, l.Truncate(1))
	require.Equal(t, runtime.Lease{Blocks: []runtime.BlockID{7}, Length: 1, BlockTokens: 4}, l)
	require.Empty(t, l.Truncate(100), "there are fewer")
	require.Equal(t, []runtime.BlockID{7}, l.Truncate(0))
	require.Zero(t, l.Capacity())
}

func TestLeaseGivesBackBlocksBeyondItsLength(t *testing.T) {
	l := runtime.Lease{BlockTokens: 4}
	l.Extend([]runtime.BlockID{1, 2, 3})
	l.Advance(2)
	require.Equal(t, []runtime.BlockID{2, 3}, l.Truncate(2))
}

func TestLeaseRefusesToAdvanceBeyondItsBlocks(t *testing.T) {
	l := runtime.Lease{BlockTokens: 4, Blocks: []runtime.BlockID{1}}
	l.Advance(4)
	require.Panics(t, func() { l.Advance(1) })
	require.Panics(t, func() { l.Advance(-1) })
}

func TestCommonPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Int32Range(0, 2), 0, 8)
		a, b := ids.Draw(t, "a"), ids.Draw(t, "b")
		n := runtime.CommonPrefix(a, b)
		require.Equal(t, a[:n], b[:n])
		require.True(t, n == len(a) || n == len(b) || a[n] != b[n])
		require.Equal(t, n, runtime.CommonPrefix(b, a))
	})
}
