package runtime

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitAgent(t *testing.T) {
	for id, want := range map[string][2]string{"ada": {"", "ada"}, "0123abcd/ada": {"0123abcd", "ada"}, "": {"", ""}} {
		owner, name := SplitAgent(id)
		require.Equal(t, want, [2]string{owner, name})
		require.Equal(t, id, JoinAgent(owner, name))
	}
	require.Empty(t, JoinAgent("0123abcd", ""), "an anonymous agent has no id")
}
