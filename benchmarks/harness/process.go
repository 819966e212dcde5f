package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a running server.
type Process struct {
	URL   string
	Ready time.Duration // from exec until it said that it was ready

	cmd  *exec.Cmd
	data string // folder that is removed with the process; may be empty
}

// StartTroupe starts `troupe serve` on a free port with a data folder of its own, and waits until it is ready.
func StartTroupe(ctx context.Context, binary string, args ...string) (*Process, error) {
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: run make build first", err)
	}
	p := &Process{}
	if p.data, err = os.MkdirTemp("", "troupe-benchmark-"); err != nil {
		return nil, err
	}
	args = append([]string{"serve", "--listen", "127.0.0.1:0", "--data", p.data, "--log-format", "json"}, args...)
	p.cmd = exec.CommandContext(ctx, path, args...)
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	if err := p.follow(bufio.NewScanner(stderr)); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	p.Ready = time.Since(began)
	return p, nil
}

// follow reads Troupe's log until the server is ready and asks it whether it is; then it reads on, so that the pipe does not fill up.
func (p *Process) follow(log *bufio.Scanner) error {
	for log.Scan() {
		var record struct{ Msg, URL string }
		if json.Unmarshal(log.Bytes(), &record) != nil {
			continue
		}
		if record.Msg == "listening" {
			p.URL = record.URL
		}
		if record.Msg != "ready" {
			continue
		}
		if err := healthy(p.URL + "/health/ready"); err != nil {
			return err
		}
		go func() {
			for log.Scan() {
			}
		}()
		return nil
	}
	return errors.New("the server ended before it was ready; start it by hand to see why")
}

// StartServer starts another server, which is ready when health, a path, answers 200. What it writes goes to log.
func StartServer(ctx context.Context, cmd *exec.Cmd, url, health string, log io.Writer) (*Process, error) {
	p := &Process{URL: url, cmd: cmd}
	cmd.Stdout, cmd.Stderr = log, log
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for healthy(url+health) != nil {
		select {
		case err := <-ended:
			return nil, fmt.Errorf("%s ended before it was ready: %w", filepath.Base(cmd.Path), err)
		case <-ctx.Done():
			_ = cmd.Process.Kill()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	p.Ready = time.Since(began)
	return p, nil
}

func healthy(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s says %s", url, resp.Status)
	}
	return nil
}

// FreeAddress is an address of the loopback that was free a moment ago.
func FreeAddress() (host, port string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	defer func() { _ = l.Close() }()
	return net.SplitHostPort(l.Addr().String())
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Suspend stops the process from running until Resume, so that it takes nothing from one that is measured.
func (p *Process) Suspend() error { return p.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume lets a suspended process go on.
func (p *Process) Resume() error { return p.cmd.Process.Signal(syscall.SIGCONT) }

// Stop ends Troupe, which must end well, and removes its data.
func (p *Process) Stop() error {
	var err error
	if p.cmd != nil && p.cmd.Process != nil {
		_, _ = p.Resume(), p.cmd.Process.Signal(syscall.SIGTERM) // they fail if it has ended, and Wait says how
		err = p.cmd.Wait()
	}
	if p.data != "" {
		err = errors.Join(err, os.RemoveAll(p.data))
	}
	return err
}

// Kill ends another server.
func (p *Process) Kill() error { return p.cmd.Process.Kill() }
