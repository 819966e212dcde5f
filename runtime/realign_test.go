package runtime_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

// pieces are the tokens of a small language; the last two are not plain, though they spell something.
var pieces = []string{"a", "b", "ab", "ba", "aab", "abba", "b a", " ", "ab", "<end>", "a"}

func piece(id int32) (string, bool) { return pieces[id], id < 9 }

func TestRealign(t *testing.T) {
	for name, c := range map[string]struct {
		history, prompt []int32
		keep, rest      int
	}{
		"nothing to do":                        {[]int32{0, 1}, []int32{0, 1, 2}, 2, 2},
		"joined in the prompt":                 {[]int32{0, 1, 7, 0}, []int32{2, 7, 0, 0}, 4, 3},
		"apart in the prompt":                  {[]int32{2, 7, 1}, []int32{0, 1, 7, 1, 1}, 3, 4},
		"boundaries that meet late":            {[]int32{2, 3, 1}, []int32{0, 1, 1, 0, 1, 7}, 3, 5},
		"boundaries that never meet":           {[]int32{1, 0, 0}, []int32{1, 4}, 1, 1},
		"it differs in between":                {[]int32{2, 7, 0, 0}, []int32{0, 1, 7, 1}, 2, 3},
		"another token for the same":           {[]int32{2, 7}, []int32{8, 7}, 2, 2},
		"a special token is itself":            {[]int32{0, 1, 9, 0, 1}, []int32{2, 9, 2}, 5, 3},
		"and nothing else":                     {[]int32{0, 1, 10}, []int32{2, 0}, 2, 1},
		"nor a part of something":              {[]int32{1, 2}, []int32{1, 10, 1}, 1, 1},
		"the prompt ends within the history's": {[]int32{5, 1}, []int32{0, 1}, 0, 0},
	} {
		common := runtime.CommonPrefix(c.history, c.prompt)
		keep, rest := runtime.Realign(c.history, c.prompt, common, piece)
		require.Equal(t, []int{c.keep, c.rest}, []int{keep, rest}, name)
	}
}

func TestRealignedBeginningsSpellTheSame(t *testing.T) {
	spell := func(ids []int32) string {
		var b strings.Builder
		for _, id := range ids {
			text, plain := piece(id)
			if !plain {
				text = "\x00" + text + "\x00"
			}
			b.WriteString(text)
		}
		return b.String()
	}
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Int32Range(0, int32(len(pieces)-1)), 0, 12)
		history, prompt := ids.Draw(t, "history"), ids.Draw(t, "prompt")
		common := runtime.CommonPrefix(history, prompt)
		keep, rest := runtime.Realign(history, prompt, common, piece)
		require.GreaterOrEqual(t, keep, common)
		require.Equal(t, spell(history[:keep]), spell(prompt[:rest]))
		for i := keep + 1; i <= len(history); i++ { // there is no longer one
			for j := rest + 1; j <= len(prompt); j++ {
				require.NotEqual(t, spell(history[:i]), spell(prompt[:j]))
			}
		}
	})
}
