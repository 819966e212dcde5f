package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"troupe/benchmarks/harness"
)

// computed is what a context cost on the way to be saved. It is written beside the saved agents, so that it need not be computed again to be measured again.
type computed struct {
	Tokens int           // of the context, in whole
	Wall   time.Duration // time to the first token, summed over the lengths before, whose contexts it goes on from
	CPU    time.Duration // processor time of the server, likewise
}

const computedFile = "computed.json"

// context is the text of a context of n tokens. A shorter one is the beginning of a longer one.
func text(n int) string {
	rng := rand.New(rand.NewPCG(uint64('m'), 0))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + rng.IntN(26))
	}
	return string(b)
}

func agentOf(n int) string { return fmt.Sprint("agent-", n) }

// prepare computes a context of each length and saves it in the folder to keep, unless it is there. Each goes on from the one before, so that the time for
// all is that of the longest.
func prepare(ctx context.Context, w io.Writer, o options) error {
	if o.keep == "" {
		return errors.New("where to? -keep")
	}
	done, err := readComputed(o.keep)
	if err != nil {
		return err
	}
	server, err := o.server(ctx, o.keep)
	if err != nil {
		return err
	}
	err = fill(ctx, w, o, server, done)
	return errors.Join(err, server.Stop())
}

func fill(ctx context.Context, w io.Writer, o options, server *harness.Process, done map[int]computed) error {
	client := harness.NewClient(server.URL, 1)
	if s := client.Do(ctx, harness.Job{Prompt: "0123456789", Tokens: 1}); s.Err != nil { // the first step allocates
		return s.Err
	}
	var before computed
	for _, n := range o.tokens {
		if c, ok := done[n]; ok {
			before = c
			continue
		}
		cpu, err := harness.ProcessCPU(server.PID())
		if err != nil {
			return err
		}
		s := client.Do(ctx, harness.Job{Agent: agentOf(n), Prompt: text(n), Tokens: 1})
		if s.Err != nil {
			return s.Err
		}
		after, err := harness.ProcessCPU(server.PID())
		if err != nil {
			return err
		}
		if s.Cached.Tokens > before.Tokens {
			return fmt.Errorf("%d tokens were cached, and only %d were computed before", s.Cached.Tokens, before.Tokens)
		}
		c := computed{Tokens: s.Prompt, Wall: s.First(), CPU: after - cpu}
		if s.Cached.Tokens > 0 {
			c.Wall, c.CPU = c.Wall+before.Wall, c.CPU+before.CPU
		}
		fmt.Fprintf(w, "%d tokens computed in %v, %v of processor time; %d of them were there\n", n, harness.Short(s.First()), after-cpu, s.Cached.Tokens)
		done[n], before = c, c
		if err := writeComputed(o.keep, done); err != nil {
			return err
		}
	}
	return nil
}

func readComputed(dir string) (map[int]computed, error) {
	all := map[int]computed{}
	b, err := os.ReadFile(filepath.Join(dir, computedFile))
	if errors.Is(err, os.ErrNotExist) {
		return all, nil
	}
	if err != nil {
		return nil, err
	}
	return all, json.Unmarshal(b, &all)
}

func writeComputed(dir string, all map[int]computed) error {
	b, err := json.MarshalIndent(all, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, computedFile), append(b, '\n'), 0o600)
}
