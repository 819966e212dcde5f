package troupetest

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait for the server. It is no expectation about speed: a machine that is merely slow never reaches it.
const patience = 2 * time.Minute

// Server is a running `troupe serve`.
type Server struct {
	URL  string // http://127.0.0.1:PORT
	Data string // its data folder

	t       testing.TB
	process *os.Process
	exited  chan struct{} // closed when the process has ended
	state   *os.ProcessState

	mu      sync.Mutex // protects the following fields
	lines   []string
	changed chan struct{} // closed and replaced when a line arrives
	ended   bool          // stderr is at its end
}

// Record is one record of the server's log.
type Record map[string]any

// Start runs `troupe serve` on a free port with a data folder of its own and more flags, and waits until it is ready. When the test ends the process is
// killed if it still runs; the log is shown if the test failed.
func Start(t testing.TB, flags ...string) *Server {
	t.Helper()
	s := Launch(t, flags...)
	s.WaitFor("ready")
	return s
}

// Again starts a server on the data folder of one that has ended.
func (s *Server) Again(flags ...string) *Server {
	s.t.Helper()
	next := launch(s.t, s.Data, flags...)
	next.WaitFor("ready")
	return next
}

// Launch is Start without waiting for more than the address.
func Launch(t testing.TB, flags ...string) *Server {
	t.Helper()
	return launch(t, filepath.Join(t.TempDir(), "data"), flags...)
}

func launch(t testing.TB, data string, flags ...string) *Server {
	t.Helper()
	s := &Server{t: t, Data: data, exited: make(chan struct{}), changed: make(chan struct{})}
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", s.Data, "--log-format", "json"}, flags...)
	cmd := exec.Command(Binary(t), args...)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	s.process = cmd.Process
	go func() {
		s.collect(stderr)
		_ = cmd.Wait() // the exit status is in ProcessState
		s.state = cmd.ProcessState
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = s.process.Kill() // fails if it has ended, as it should have
		<-s.exited
		if t.Failed() {
			t.Logf("log of the server:\n%s", s.Log())
		}
	})
	s.URL, _ = s.WaitFor("listening")["url"].(string)
	require.NotEmpty(t, s.URL)
	return s
}

// collect keeps every line of the log.
func (s *Server) collect(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		s.note(func() { s.lines = append(s.lines, lines.Text()) })
	}
	s.note(func() { s.ended = true })
}

func (s *Server) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// WaitFor waits for the first record with a message and returns it. The test fails at once if the server ends without having written it.
func (s *Server) WaitFor(message string) Record {
	s.t.Helper()
	limit := time.After(patience)
	for {
		found, changed, ended := s.find(message)
		if found != nil {
			return found
		}
		require.False(s.t, ended, "the server ended without logging %q; its log:\n%s", message, s.Log())
		select {
		case <-changed:
		case <-limit:
			require.FailNow(s.t, "the server does not log "+message, s.Log())
		}
	}
}

func (s *Server) find(message string) (found Record, changed <-chan struct{}, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, line := range s.lines {
		var r Record
		if json.Unmarshal([]byte(line), &r) == nil && r["msg"] == message {
			return r, nil, false
		}
	}
	return nil, s.changed, s.ended
}

// Log returns everything that was written to stderr so far.
func (s *Server) Log() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, "\n")
}

// PID returns the process id.
func (s *Server) PID() int { return s.process.Pid }

// Signal sends a signal.
func (s *Server) Signal(sig syscall.Signal) {
	s.t.Helper()
	require.NoError(s.t, s.process.Signal(sig))
}

// Wait waits until the process has ended and returns its exit status, which is -1 after a signal that it did not handle.
func (s *Server) Wait() int {
	s.t.Helper()
	select {
	case <-s.exited:
	case <-time.After(patience):
		require.FailNow(s.t, "the server does not end", s.Log())
	}
	return s.state.ExitCode()
}

// Stop sends SIGTERM and asserts that the server ends well.
func (s *Server) Stop() {
	s.t.Helper()
	s.Signal(syscall.SIGTERM)
	require.Equal(s.t, 0, s.Wait(), s.Log())
}

// Kill ends the server as kill -9 does, and waits until it is gone.
func (s *Server) Kill() {
	s.t.Helper()
	s.Signal(syscall.SIGKILL)
	<-s.exited
}
