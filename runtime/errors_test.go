package runtime_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

func TestKindSurvivesWrapping(t *testing.T) {
	err := fmt.Errorf("agent a: %w", runtime.InvalidParam("top_p", "top_p is %d", 7))
	require.Equal(t, runtime.Invalid, runtime.KindOf(err))
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, "top_p", e.Param)
	require.Equal(t, "top_p is 7", e.Message)
	require.Equal(t, runtime.Internal, runtime.KindOf(errors.New("anything else")))
}

func TestErrorShowsItsCause(t *testing.T) {
	cause := errors.New("disk full")
	err := &runtime.Error{Kind: runtime.Internal, Message: "save agent a", Err: cause}
	require.EqualError(t, err, "save agent a: disk full")
	require.ErrorIs(t, err, cause)
}

func TestEveryKindHasAName(t *testing.T) {
	for k := runtime.Internal; k <= runtime.Conflict; k++ {
		require.NotContains(t, k.String(), "kind(")
	}
	require.Equal(t, "kind(99)", runtime.Kind(99).String())
}
