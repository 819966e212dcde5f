package runtime

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitAgent(t *testing.T) {
	for id, want := range map[string][2]string{"ada": {"", "ada"}, "0123abcd/ada": {"0123abcd", "ada"}, "": {"", ""}} {
		owner, name := SplitAgent(id)
		require.Equal(t, want, [2]string{owner, name})
	}
}
