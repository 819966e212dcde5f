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
