package runtime_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

func TestPlanRestore(t *testing.T) {
	m := &runtime.Manifest{Tag: "tag", Tokens: []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, Length: 9}
	m.Blocks = runtime.Keys("tag", "", 4, m.Tokens[:m.Length], nil)
	require.Len(t, m.Blocks, 3)
	require.True(t, m.Sound(4))
	none := func(runtime.BlockKey) bool { return false }
	first := func(key runtime.BlockKey) bool { return key == m.Blocks[0] || key == m.Blocks[2] }
	for name, c := range map[string]struct {
		prompt []int32
		found  func(runtime.BlockKey) bool
		length int
		load   []int
	}{
		"all that is saved":                       {[]int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, none, 9, []int{0, 1, 2}},
		"what the pool has is not read":           {[]int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, first, 9, []int{1, 2}},
		"as far as the prompt goes":               {[]int32{1, 2, 3, 4, 5, 7}, none, 5, []int{0, 1}},
		"a block that is cut is read to write on": {[]int32{1, 2, 3, 5}, first, 3, []int{0}},
		"one token is computed":                   {[]int32{1, 2, 3, 4, 5, 6, 7, 8, 9}, first, 8, []int{1}},
		"nothing":                                 {[]int32{2, 2, 3}, none, 0, nil},
		"nothing but one token":                   {[]int32{1}, none, 0, nil},
	} {
		r := runtime.PlanRestore(c.prompt, m, 4, c.found)
		require.Equal(t, c.length, r.Length, name)
		require.Equal(t, c.load, r.Load, name)
		require.Equal(t, m.Blocks[:(c.length+3)/4], r.Blocks, name)
	}
}

// Whatever is changed in a manifest, it is not sound any more.
func TestSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &runtime.Manifest{Tag: "tag", Tokens: rapid.SliceOfN(rapid.Int32Range(0, 3), 1, 12).Draw(t, "tokens")}
		m.Length = rapid.IntRange(1, len(m.Tokens)).Draw(t, "length")
		m.Blocks = slices.Clone(runtime.Keys("tag", "", 4, m.Tokens[:m.Length], nil))
		require.True(t, m.Sound(4))
		switch rapid.IntRange(0, 4).Draw(t, "what") {
		case 0:
			m.Tokens[rapid.IntRange(0, m.Length-1).Draw(t, "which")]++
		case 1:
			m.Blocks[rapid.IntRange(0, len(m.Blocks)-1).Draw(t, "which")][3]++
		case 2:
			m.Length = -m.Length
		case 3:
			m.Tag = "other"
		case 4:
			m.Blocks = m.Blocks[1:]
		}
		require.False(t, m.Sound(4))
		m.Length = len(m.Tokens) + 1
		require.False(t, m.Sound(4))
	})
}
