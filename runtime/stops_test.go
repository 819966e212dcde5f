package runtime_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

func TestStopStringIsFoundAcrossPieces(t *testing.T) {
	for _, c := range []struct {
		stops, pieces []string
		text, found   string
	}{
		{[]string{"END"}, []string{"one E", "N", "D two"}, "one ", "END"},
		{[]string{"END"}, []string{"EN", "EN", "D"}, "EN", "END"},
		{[]string{"b", "abc"}, []string{"xab"}, "xa", "b"},
		{[]string{"bc", "abc"}, []string{"xabc"}, "x", "abc"},
		{[]string{"abc", "ab"}, []string{"xabc"}, "x", "abc"},
		{[]string{"é"}, []string{"caf", "é"}, "caf", "é"},
		{nil, []string{"as ", "it is"}, "as it is", ""},
		{[]string{"END"}, []string{"EN"}, "EN", ""},
	} {
		m, err := runtime.NewStopMatcher(c.stops)
		require.NoError(t, err)
		var text, found string
		for _, p := range c.pieces {
			var released string
			released, found = m.Push(p)
			text += released
			if found != "" {
				break
			}
		}
		require.Equal(t, c.found, found, "%v in %v", c.stops, c.pieces)
		require.Equal(t, c.text, text+m.Flush(), "%v in %v", c.stops, c.pieces)
	}
}

// TestStopMatcherReleasesWhatTheWholeTextSays compares pieces with a search in the whole text: nothing of a stop string is ever released.
func TestStopMatcherReleasesWhatTheWholeTextSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		stop := rapid.StringMatching(`[ab]{1,4}`).Draw(t, "stop")
		pieces := rapid.SliceOfN(rapid.StringMatching(`[abc]{0,5}`), 0, 8).Draw(t, "pieces")
		whole := strings.Join(pieces, "")
		want, _, stopped := strings.Cut(whole, stop)

		m, err := runtime.NewStopMatcher([]string{stop})
		require.NoError(t, err)
		var got, found string
		for _, p := range pieces {
			var text string
			text, found = m.Push(p)
			got += text
			require.NotContains(t, got, stop)
			if found != "" {
				break
			}
		}
		require.Equal(t, stopped, found == stop)
		require.Equal(t, want, got+m.Flush())
	})
}

func TestStopListsHaveLimits(t *testing.T) {
	for name, stops := range map[string][]string{
		"empty":    {"ok", ""},
		"too long": {strings.Repeat("x", runtime.MaxStopSize+1)},
		"too many": make([]string, 1000),
	} {
		_, err := runtime.NewStopMatcher(stops)
		require.Equal(t, runtime.Invalid, runtime.KindOf(err), name)
	}
}
