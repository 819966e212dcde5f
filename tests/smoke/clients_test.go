package smoke

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// python returns the interpreter of .venv, which it makes if it is missing or was made from other requirements. That needs PyPI, once in a checkout.
func python(t *testing.T) string {
	t.Helper()
	venv := filepath.Join(troupetest.Root(), ".venv")
	require.NoError(t, os.MkdirAll(venv, 0o755))
	unlock := lock(t, venv)
	defer unlock()

	wanted, err := os.ReadFile("requirements.txt")
	require.NoError(t, err)
	stamp, interpreter := filepath.Join(venv, "requirements.txt"), filepath.Join(venv, "bin", "python")
	if made, err := os.ReadFile(stamp); err == nil && bytes.Equal(made, wanted) {
		return interpreter
	}
	command(t, "python3", "-m", "venv", "--clear", venv)
	command(t, interpreter, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", "requirements.txt")
	require.NoError(t, os.WriteFile(stamp, wanted, 0o600)) // last: a venv without it is made again
	return interpreter
}

// lock keeps another test process from making the same venv. The file is beside it, since making one clears the folder.
func lock(t *testing.T, venv string) (unlock func()) {
	t.Helper()
	file, err := os.OpenFile(venv+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	require.NoError(t, err)
	require.NoError(t, syscall.Flock(int(file.Fd()), syscall.LOCK_EX))
	return func() { require.NoError(t, file.Close()) }
}

// command runs a program, which must succeed, and returns what it printed.
func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	require.NoError(t, err, "%s %v:\n%s", name, args, out)
	return string(out)
}
