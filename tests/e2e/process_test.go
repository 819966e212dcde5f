package e2e

import (
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, taken.Close()) }()
	other := troupetest.Start(t)
	broken := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(broken, "config.json"), []byte(`{"model_type":"teapot"}`), 0o600))

	for name, c := range map[string]struct {
		flags []string
		says  string
	}{
		"address in use":     {[]string{"--listen", taken.Addr().String()}, "address already in use"},
		"data folder in use": {[]string{"--data", other.Data}, "another server is using it"},
		"no model folder":    {[]string{"--model", filepath.Join(broken, "nothing")}, "cannot open the model folder"},
		"unknown model":      {[]string{"--model", broken}, "teapot"},
		"pool without room":  {[]string{"--kv-memory", "1KiB"}, "holds no block"},
	} {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, c.flags...)
			status, stderr := troupetest.Run(t, args...)
			require.Equal(t, 1, status, stderr)
			require.Contains(t, stderr, c.says)
			require.NotContains(t, stderr, "goroutine", "an error, no crash")
		})
	}
	other.Stop()
}

// story opens a stream that nothing but a shutdown ends soon.
func story(t *testing.T, s *troupetest.Server) *troupetest.Stream {
	t.Helper()
	stream, err := troupetest.Open(t.Context(), s.URL, "ada", troupetest.Request{
		Messages: troupetest.User("Hello!"), MaxTokens: 8000, IgnoreEOS: true, Stream: true,
	})
	require.NoError(t, err)
	t.Cleanup(stream.Close)
	require.NoError(t, stream.Until(""))
	return stream
}

func TestDrainingHasALimit(t *testing.T) {
	s := troupetest.Start(t, "--drain", "10ms")
	stream := story(t, s)
	s.Signal(syscall.SIGTERM)
	answer, _ := stream.Rest()
	require.NotEmpty(t, answer.Refusal, "the client is told that the answer is not whole")
	require.Empty(t, answer.Finish)
	require.Equal(t, 0, s.Wait())
	require.Contains(t, s.Log(), "cut off")
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	s := troupetest.Start(t, "--drain", "1h")
	story(t, s)
	s.Signal(syscall.SIGTERM)
	s.WaitFor("draining")
	s.Signal(syscall.SIGTERM)
	require.Equal(t, -1, s.Wait(), "ended by the signal")
}
