package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbers(t *testing.T) {
	all, err := Numbers("1,20,0")
	require.NoError(t, err)
	require.Equal(t, []int{1, 20, 0}, all)
	for _, bad := range []string{"", "1,,2", "-1", "x"} {
		_, err := Numbers(bad)
		require.ErrorContains(t, err, "not a list of numbers")
	}
}

func TestOutputGoesToAFileToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	w, err := Output(path)
	require.NoError(t, err)
	fmt.Fprintln(w, "a figure")
	require.NoError(t, w.Close())
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "a figure\n", string(text))

	w, err = Output("")
	require.NoError(t, err)
	require.NoError(t, w.Close(), "stdout stays open")
	_, err = fmt.Fprintln(os.Stdout)
	require.NoError(t, err)
}
