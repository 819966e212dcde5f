// Package e2e asks the whole server, with the real engine and the starter model, for what Troupe promises to many agents at once.
package e2e

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/http"
	"troupe/mlx"
	"troupe/mlx/engine"
	"troupe/mlx/starter"
	"troupe/tests/troupetest"
)

func TestMain(m *testing.M) { os.Exit(troupetest.Main(m)) }

// startStack serves the starter model in this process, for what only the system's own numbers show.
func startStack(t *testing.T, change ...func(*actors.Config)) *troupetest.Stack {
	t.Helper()
	if err := mlx.Available(); err != nil {
		t.Skipf("there is no engine here: %v", err)
	}
	folder, err := engine.ReadFolder(starter.FS(), "starter")
	require.NoError(t, err)
	eng, err := engine.New(folder, engine.Options{KVBytes: 256 << 20})
	require.NoError(t, err)
	cfg := actors.Config{Engine: eng, Model: folder.Model}
	for _, f := range change {
		f(&cfg)
	}
	stack, err := troupetest.StartStack(cfg, http.Config{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stack.Close()) })
	return stack
}
