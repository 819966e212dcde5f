// Package troupetest runs the real binary for tests: it builds it, starts it, waits for what it logs, talks to it and stops it.
package troupetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/mlx"
)

// Main runs the tests of a package that needs the binary. It belongs into TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(troupetest.Main(m)) }
//
// The binary is built by go build into a temporary folder. It finds MLX by the run path that names the checkout, as test binaries do; bin/troupe, which
// make leaves, has the same one and another that is relative to itself.
func Main(m *testing.M) int {
	if mlx.Available() != nil {
		return m.Run() // every test skips
	}
	dir, err := os.MkdirTemp("", "troupe-binary-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary := filepath.Join(dir, "troupe")
	build := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "./cmd/troupe")
	build.Dir = Root()
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the binary: %v\n%s", err, out)
		return 1
	}
	if err := os.Setenv(variable, binary); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// variable tells the tests of this process where Main put the binary.
const variable = "TROUPETEST_BINARY"

// Binary returns the path of the binary that Main built. Built with -tags nomlx, the test is skipped.
func Binary(t testing.TB) string {
	t.Helper()
	if err := mlx.Available(); err != nil {
		t.Skipf("the server has no engine here: %v", err)
	}
	path := os.Getenv(variable)
	require.NotEmpty(t, path, "the package needs TestMain with troupetest.Main")
	return path
}

// Run runs the binary to its end and returns its exit status and what it wrote to stderr.
func Run(t testing.TB, args ...string) (status int, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	var text bytes.Buffer
	cmd.Stderr = &text
	_ = cmd.Run() // the status says it
	require.NotNil(t, cmd.ProcessState, "the binary does not run")
	return cmd.ProcessState.ExitCode(), text.String()
}

// Root returns the root of the checkout.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}
