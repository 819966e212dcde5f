package mlx

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Threads that cannot all be started are an error, those that were started end, and the process lives. It takes a process of its
// own, which may have hardly any more memory.
func TestThreadsCannotStart(t *testing.T) {
	start(t)
	const child = "TROUPE_TEST_NO_THREADS"
	if os.Getenv(child) == "" {
		command := exec.Command(os.Args[0], "-test.run", "^TestThreadsCannotStart$")
		command.Env = append(os.Environ(), child+"=1")
		out, err := command.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return
	}
	stat, err := os.ReadFile("/proc/self/statm")
	require.NoError(t, err)
	var pages uint64
	_, err = fmt.Sscan(string(stat), &pages)
	require.NoError(t, err)
	limit := pages*uint64(os.Getpagesize()) + 1<<30 // a thread takes 8 MiB
	require.NoError(t, unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: limit}))
	_, err = NewKernels(KernelOptions{Threads: 1000})
	require.ErrorContains(t, err, "cannot start 1000 threads")
	k, err := NewKernels(KernelOptions{Threads: 4})
	require.NoError(t, err)
	k.Close()
}
