package runtime

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNextKeyDependsOnEverything(t *testing.T) {
	first := NextKey("tag", BlockKey{}, []int32{1, 2, 3})
	require.Equal(t, first, NextKey("tag", BlockKey{}, []int32{1, 2, 3}))
	for name, other := range map[string]BlockKey{
		"tag": NextKey("tags", BlockKey{}, []int32{1, 2, 3}), "before": NextKey("tag", first, []int32{1, 2, 3}),
		"token": NextKey("tag", BlockKey{}, []int32{1, 2, 4}), "order": NextKey("tag", BlockKey{}, []int32{3, 2, 1}),
		"part": NextKey("tag", BlockKey{}, []int32{1, 2}), "nothing": NextKey("tag", BlockKey{}, nil),
	} {
		require.NotEqual(t, first, other, name)
	}
}

func TestOwnersHaveKeysOfTheirOwn(t *testing.T) {
	tokens := []int32{1, 2, 3, 4, 5}
	first := NextKey("tag", BlockKey{}, tokens[:2])
	require.Equal(t, []BlockKey{first, NextKey("tag", first, tokens[2:4])}, Chain("tag", "", 2, tokens, nil), "those that have always been on disk")
	seen := map[BlockKey]string{}
	for _, owner := range []string{"", "a", "b", "owner"} {
		keys := Keys("tag", owner, 2, tokens, nil)
		require.Len(t, keys, 3)
		require.Equal(t, keys[:2], Chain("tag", owner, 2, tokens, nil))
		require.Equal(t, keys, Keys("tag", owner, 2, tokens, keys[:1]))
		for _, key := range append(keys, Keys("tag", owner, 2, tokens[:1], nil)...) {
			require.NotContains(t, seen, key, owner)
			seen[key] = owner
		}
	}
}

func TestSoundKnowsTheOwner(t *testing.T) {
	m := &Manifest{Agent: "a/x@1", Tag: "tag", Tokens: []int32{1, 2, 3}, Length: 3, Blocks: Keys("tag", "a", 2, []int32{1, 2, 3}, nil)}
	require.True(t, m.Sound(2))
	for _, other := range []string{"b/x@1", "x@1", ""} {
		m.Agent = other
		require.False(t, m.Sound(2), other)
	}
}
