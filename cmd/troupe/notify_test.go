package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	require.NoError(t, notify(stateReady), "nobody wants to know")

	names := []string{filepath.Join(t.TempDir(), "n")}
	if runtime.GOOS == "linux" {
		names = append(names, fmt.Sprintf("@troupe-test-%d", os.Getpid()))
	}
	for _, name := range names {
		t.Setenv("NOTIFY_SOCKET", name)
		require.ErrorContains(t, notify(stateStopping), "STOPPING=1")
		manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
		require.NoError(t, err)
		for _, state := range []string{stateReady, stateStopping} {
			require.NoError(t, notify(state))
			told := make([]byte, 100)
			n, err := manager.Read(told)
			require.NoError(t, err)
			require.Equal(t, state, string(told[:n]))
		}
		require.NoError(t, manager.Close())
	}
}
