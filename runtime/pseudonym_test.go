package runtime

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPseudonym(t *testing.T) {
	require.Empty(t, Pseudonym(""))
	require.Equal(t, "fdee430d40bd", Pseudonym("ada"), "it is the same in every version: logs are compared over years")
	require.NotEqual(t, Pseudonym("ada"), Pseudonym("bob"))
}
