package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// process is a running `troupe serve` with the starter model.
type process struct {
	cmd   *exec.Cmd
	url   string
	ready time.Duration // from exec until /health/ready said 200
	data  string
}

// startBinary starts the binary and waits until it is ready.
func startBinary(ctx context.Context, binary string) (*process, error) {
	path, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: run make build first", err)
	}
	p := &process{}
	if p.data, err = os.MkdirTemp("", "troupe-load-"); err != nil {
		return nil, err
	}
	p.cmd = exec.CommandContext(ctx, path, "serve", "--listen", "127.0.0.1:0", "--data", p.data, "--log-format", "json")
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, errors.Join(err, p.stop())
	}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	if err := p.await(bufio.NewScanner(stderr)); err != nil {
		return nil, errors.Join(err, p.stop())
	}
	p.ready = time.Since(began)
	return p, nil
}

// await follows the log until the server is ready and asks it whether it is; then it reads on, so that the pipe does not fill up.
func (p *process) await(log *bufio.Scanner) error {
	for log.Scan() {
		var record struct{ Msg, URL string }
		if json.Unmarshal(log.Bytes(), &record) != nil {
			continue
		}
		if record.Msg == "listening" {
			p.url = record.URL
		}
		if record.Msg != "ready" {
			continue
		}
		resp, err := http.Get(p.url + "/health/ready")
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("/health/ready says %s", resp.Status)
		}
		go func() {
			for log.Scan() {
			}
		}()
		return nil
	}
	return errors.New("the server ended before it was ready; start it by hand to see why")
}

// stop ends the server and removes its data.
func (p *process) stop() error {
	var err error
	if p.cmd.Process != nil {
		if err = p.cmd.Process.Signal(syscall.SIGTERM); err == nil {
			err = p.cmd.Wait()
		}
	}
	return errors.Join(err, os.RemoveAll(p.data))
}

// measureStartup is the time from exec to ready.
func measureStartup(ctx context.Context, o options) (report, error) {
	runs := or(o.runs, 7)
	r := report{title: fmt.Sprintf("%d starts of the binary with the starter model", runs)}
	var times []time.Duration
	for range runs {
		p, err := startBinary(ctx, o.binary)
		if err != nil {
			return r, err
		}
		times = append(times, p.ready)
		if err := p.stop(); err != nil {
			return r, err
		}
	}
	slices.Sort(times)
	r.add("exec to /health/ready: median, worst", "%s, %s", short(percentile(times, 0.5)), short(percentile(times, 1)))
	return r, nil
}

// measureStarter is the speed of the starter model behind the real binary, for one agent and for many.
func measureStarter(ctx context.Context, o options) (report, error) {
	agents, tokens := or(o.agents, 16), or(o.tokens, 128)
	r := report{title: fmt.Sprintf("the starter model, real binary, 1 and %d agents x %d tokens", agents, tokens)}
	p, err := startBinary(ctx, o.binary)
	if err != nil {
		return r, err
	}
	defer func() { _ = p.stop() }()
	err = measureRemote(ctx, &r, newClient(p.url, agents), p.cmd.Process.Pid, agents, tokens)
	return r, err
}

// measureURL is measureStarter for a server that runs already.
func measureURL(ctx context.Context, o options) (report, error) {
	agents, tokens := or(o.agents, 16), or(o.tokens, 128)
	r := report{title: fmt.Sprintf("%s, 1 and %d agents x %d tokens", o.url, agents, tokens)}
	err := measureRemote(ctx, &r, newClient(o.url, agents), 0, agents, tokens)
	return r, err
}

// measureRemote adds one block of figures for one agent and one for many. With a pid it also accounts for the server's processor time.
func measureRemote(ctx context.Context, r *report, c *client, pid, agents, tokens int) error {
	if _, err := rush(ctx, c, jobsFor(agents, 4, "warm")); err != nil {
		return err
	}
	for _, n := range []int{1, agents} {
		server, err := processCPU(pid)
		own := ownCPU()
		res, failed := rush(ctx, c, jobsFor(n, tokens, fmt.Sprintf("of%d", n)))
		if failed != nil {
			return failed
		}
		r.add(fmt.Sprintf("-- agents: %d", n), "")
		r.addResult(res)
		r.add("CPU per token, client", "%s", perToken(ownCPU()-own, res.tokens))
		if err != nil || pid == 0 {
			continue
		}
		after, err := processCPU(pid)
		if err != nil {
			return err
		}
		r.add("CPU per token, server with model", "%s", perToken(after-server, res.tokens))
	}
	return nil
}
