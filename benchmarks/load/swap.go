package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"troupe/benchmarks/harness"
	"troupe/mlx/starter"
)

const (
	swapKey  = "benchmark"
	twinName = "twin"
)

// measureSwap replaces the starter model by one of its size and back while agents speak, who are stopped at once and saved. What is left of a swap is
// what it takes beside the drain.
func measureSwap(ctx context.Context, o options) (r harness.Report, failed error) {
	agents, runs := or(o.agents, 8), or(o.runs, 10)
	r.Title = fmt.Sprintf("%d swaps between two models of the starter's size, %d agents speak and are stopped at each, real binary", runs, agents)
	models, err := os.MkdirTemp("", "troupe-benchmark-models-")
	if err != nil {
		return r, err
	}
	defer func() { failed = errors.Join(failed, os.RemoveAll(models)) }()
	if err := makeTwin(filepath.Join(models, twinName)); err != nil {
		return r, err
	}
	for _, c := range []struct {
		name   string
		beside bool
		limit  string
	}{{"both in memory", true, "400MiB"}, {"one in memory", false, "256MiB"}} {
		r.Add("-- "+c.name, "")
		p, err := harness.StartTroupe(ctx, o.binary, "--models", models, "--admin-key", swapKey, "--kv-memory", "128MiB", "--memory-limit", c.limit)
		if err != nil {
			return r, err
		}
		s := swapRun{server: p, client: harness.NewClient(p.URL, agents+1), agents: agents, beside: c.beside}
		err = errors.Join(s.run(ctx, runs), p.Stop())
		if err != nil {
			return r, err
		}
		s.report(&r)
	}
	return r, nil
}

// makeTwin makes a model that is the starter's, but for a tag of its own.
func makeTwin(dir string) error {
	if err := os.CopyFS(dir, starter.FS()); err != nil {
		return err
	}
	config := filepath.Join(dir, "config.json")
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	return os.WriteFile(config, append(text, '\n'), 0o600)
}

type swapRun struct {
	server *harness.Process
	client *harness.Client
	agents int
	beside bool

	whole, gap, first []time.Duration
	memory            []int64 // resident, after each swap; none if that is not known
}

func (s *swapRun) run(ctx context.Context, runs int) error {
	model := twinName
	for round := range runs {
		said := make(chan harness.Sample, s.agents)
		for _, j := range harness.JobsFor(s.agents, 1<<20, fmt.Sprint("round-", round)) {
			spoke := make(chan struct{})
			go func() { said <- s.client.DoTelling(ctx, j, spoke) }()
			<-spoke
		}
		done, err := s.swap(ctx, model)
		if err != nil {
			return err
		}
		for range s.agents {
			if a := <-said; a.Status != http.StatusOK || len(a.Texts) == 0 {
				return fmt.Errorf("an agent that should speak: status %d, %w", a.Status, a.Err)
			}
		}
		if done.Beside != s.beside || done.Stopped != s.agents {
			return fmt.Errorf("swap %d: beside %v, %d requests stopped", round, done.Beside, done.Stopped)
		}
		next := s.client.Do(ctx, harness.Job{Agent: fmt.Sprint("next-", round), Prompt: "Hello!", Tokens: 1})
		if next.Err != nil {
			return next.Err
		}
		s.whole = append(s.whole, seconds(done.Seconds))
		s.gap = append(s.gap, seconds(done.Gap))
		s.first = append(s.first, next.First())
		if m, err := harness.ProcessMemory(s.server.PID()); err == nil {
			s.memory = append(s.memory, m)
		}
		if model = "starter"; round%2 == 1 {
			model = twinName
		}
	}
	return nil
}

// swapped is what the server says of a swap.
type swapped struct {
	Seconds float64 `json:"seconds"`
	Gap     float64 `json:"gap_seconds"`
	Stopped int     `json:"stopped"`
	Beside  bool    `json:"beside"`
}

func (s *swapRun) swap(ctx context.Context, model string) (done swapped, err error) {
	body := fmt.Sprintf(`{"model":%q,"drain":0}`, model)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.server.URL+"/admin/models/swap", strings.NewReader(body))
	if err != nil {
		return done, err
	}
	req.Header.Set("X-Admin-Key", swapKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return done, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return done, err
	}
	if resp.StatusCode != http.StatusOK {
		return done, fmt.Errorf("swap to %s: status %d: %s", model, resp.StatusCode, text)
	}
	return done, json.Unmarshal(text, &done)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (s *swapRun) report(r *harness.Report) {
	add := func(name string, times []time.Duration) {
		slices.Sort(times)
		r.Add(name+": median, worst", "%s, %s", harness.Short(harness.Percentile(times, 0.5)), harness.Short(harness.Percentile(times, 1)))
	}
	add("swap in all", s.whole)
	add("of that, without service", s.gap)
	add("first token of the next request", s.first)
	if n := len(s.memory); n > 0 {
		r.Add("resident memory after 1, half, all", "%d, %d, %d MiB", s.memory[0]>>20, s.memory[n/2]>>20, s.memory[n-1]>>20)
	}
}
