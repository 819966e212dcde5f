package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/tests/troupetest"
)

// TestStreamsGetATokenWithEveryPartOfALongPrompt sends a long prompt to a server where eight agents speak. It is computed in parts, as large as the settings
// say, each in a step in which everybody who speaks gets a token.
func TestStreamsGetATokenWithEveryPartOfALongPrompt(t *testing.T) {
	const agents = 8
	for name, c := range map[string]struct {
		change func(*actors.Config)
		words  int
		part   int // tokens
	}{
		"any gap":        {func(c *actors.Config) { c.MaxGap, c.PrefillChunk = -1, 256 }, 3000, 256},
		"the least gaps": {func(c *actors.Config) { c.MaxGap = 1 }, 300, 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := startStack(t, c.change)
			for i := range agents {
				defer speak(t, t.Context(), s, fmt.Sprintf("agent-%d", i), 8000).Close()
			}
			before := stats(t, s)
			a := troupetest.MustChat(t, s.URL, "long", troupetest.Request{Messages: troupetest.User(strings.Repeat("word ", c.words)), MaxTokens: 1})
			after := stats(t, s)
			require.Equal(t, agents, after.Running, "all still speak")
			computed := a.Usage.Prompt - a.Usage.Details.Cached
			require.Greater(t, computed, 8*c.part)

			steps := make([]int, len(after.RowsPerStep))
			for rows := range steps {
				steps[rows] = int(after.RowsPerStep[rows] - before.RowsPerStep[rows])
			}
			require.Equal(t, (computed+c.part-1)/c.part, steps[agents+1], "parts of %d tokens; steps by rows: %v", computed, steps[:agents+2])
			for rows := range agents {
				require.Zero(t, steps[rows], "steps in which somebody who speaks got no token; by rows: %v", steps[:agents+2])
			}
		})
	}
}
