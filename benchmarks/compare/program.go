package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"troupe/benchmarks/harness"
)

// program is a server to measure.
type program struct {
	name   string
	length lengths
	rounds int
	start  func(ctx context.Context) (*harness.Process, error)
	stop   func(*harness.Process) error
	fields map[string]any // of its requests
}

// lengths are in tokens. The slow programs have little to do, or nobody would wait for them.
type lengths struct {
	prompt  int // of the requests whose answers are timed
	alone   int // answer of one agent
	each    int // answer of each of eight
	prefill int // of the prompt that is timed
}

// programs lists what is there to measure, Troupe first.
func programs(shape string, o options) []program {
	usual := lengths{prompt: 16, alone: o.tokens, each: o.tokens, prefill: 512}
	all := []program{{
		name: troupe, length: usual, rounds: o.rounds, stop: (*harness.Process).Stop,
		start: func(ctx context.Context) (*harness.Process, error) {
			args := append([]string{"--model", filepath.Join(o.models, shape+"-4bit"), "--kv-memory", "1GiB"}, strings.Fields(o.args)...)
			return harness.StartTroupe(ctx, o.binary, args...)
		},
	}}
	if o.llama != "" {
		all = append(all, llamaCPP(shape, o, usual))
	}
	if o.python == "" {
		return all
	}
	// With prompts of one token, a token of the answer costs one forward pass, the first one too, and nothing else is counted.
	if o.slow {
		all = append(all, mlxLM(mlxPlain, shape+"-4bit-f32", o, lengths{prompt: 1, alone: 6, each: 6, prefill: 16}))
	}
	if o.openblas != "" {
		all = append(all, mlxLM(mlxBest, shape+"-f32", o, lengths{prompt: 1, alone: 9, each: 8, prefill: 32}, "LD_PRELOAD="+o.openblas))
	}
	return all
}

// The names in reports.
const (
	troupe    = "troupe"
	llamaName = "llama.cpp"
	mlxPlain  = "mlx-lm"
	mlxBest   = "mlx-lm f32+OpenBLAS"
)

// llamaCPP is llama-server with as many threads as there are cores, room for eight agents and no prompt cache.
func llamaCPP(shape string, o options, l lengths) program {
	return program{
		name: llamaName, length: l, rounds: o.rounds, stop: (*harness.Process).Kill,
		fields: map[string]any{"cache_prompt": false, "samplers": []string{"top_k"}, "top_k": 1},
		start: func(ctx context.Context) (*harness.Process, error) {
			cores := strconv.Itoa(cores())
			return startOther(ctx, llamaName, nil, filepath.Join(o.llama, "llama-server"),
				"-m", filepath.Join(o.models, shape+"-q4_0.gguf"), "-t", cores, "-tb", cores, "-np", "8", "-c", "8192", "--cache-ram", "0")
		},
	}
}

// mlxLM is mlx-lm's server. It batches by itself, and has no way to ignore the end of turn.
func mlxLM(name, folder string, o options, l lengths, env ...string) program {
	return program{
		name: name, length: l, rounds: 1, stop: (*harness.Process).Kill,
		fields: map[string]any{"model": "default_model"},
		start: func(ctx context.Context) (*harness.Process, error) {
			return startOther(ctx, name, env, o.python, "-m", "mlx_lm", "server", "--model", filepath.Join(o.models, folder), "--log-level", "WARNING")
		},
	}
}

// startOther starts a server that takes --host and --port and answers GET /health. Its log is a file in the temporary folder.
func startOther(ctx context.Context, name string, env []string, path string, args ...string) (*harness.Process, error) {
	host, port, err := harness.FreeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.CreateTemp("", "compare-*.log")
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }() // the process has its own handle
	cmd := exec.CommandContext(ctx, path, append(args, "--host", host, "--port", port)...)
	cmd.Env = append(os.Environ(), env...)
	p, err := harness.StartServer(ctx, cmd, "http://"+host+":"+port, "/health", log)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; its log is %s", name, err, log.Name())
	}
	return p, os.Remove(log.Name())
}

// client makes a client whose connections are new, since a suspended server may have lost the old ones.
func (p *program) client(url string) *harness.Client {
	return &harness.Client{URL: url, Fields: p.fields, HTTP: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}}
}
