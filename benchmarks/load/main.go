// Command load measures the server under many streaming agents and prints a block that can be pasted into a report:
//
//	go run ./benchmarks/load -mode all
//
// Each mode is one question:
//
//	fake     what does everything but the arithmetic cost? 500 agents on an engine of no cost, server and client in this process
//	idle     how long is the way from a request to its first token when nothing else runs? The same engine
//	startup  how long does the binary take from exec to /health/ready?
//	batch    do requests that arrive one after another share steps? The starter model, in this process
//	starter  tokens per second of the starter model, with the real binary
//	fit      how many agents does the same memory hold with KV of 16, 8 and 4 bits?
//	gap      how long do agents that speak wait for their next token while a long prompt arrives? Any model, with the real binary
//	swap     how long does it take to replace the model, and how long is there no service? The starter model and one like it, with the real binary
//	url      tokens per second of a server that runs already
//
// A run in which any answer was not a whole 200 reports what went wrong, and no figure.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/pprof"
	"time"

	"troupe/benchmarks/harness"
)

// options are the flags. Zero is the mode's own default.
type options struct {
	agents, tokens, runs int
	url, binary, model   string
	maxGap               time.Duration
}

// mode is one measurement.
type mode struct {
	name string
	run  func(context.Context, options) (harness.Report, error)
}

func modes() []mode {
	return []mode{
		{"fake", measureFake},
		{"idle", measureIdle},
		{"startup", measureStartup},
		{"batch", measureBatch},
		{"starter", measureStarter},
		{"fit", measureFit},
		{"gap", measureGap},
		{"swap", measureSwap},
		{"url", measureURL},
	}
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	var o options
	name := flag.String("mode", "all", "which measurement: fake, idle, startup, batch, starter, fit, gap, swap, url, or all but url")
	profile := flag.String("cpuprofile", "", "write a CPU profile to this file")
	flag.IntVar(&o.agents, "agents", 0, "agents at once; 0 is the mode's default")
	flag.IntVar(&o.tokens, "tokens", 0, "tokens of each answer; 0 is the mode's default")
	flag.IntVar(&o.runs, "runs", 0, "repetitions; 0 is the mode's default")
	flag.StringVar(&o.url, "url", "http://127.0.0.1:8000", "the server of mode url")
	flag.StringVar(&o.binary, "binary", "bin/troupe", "the binary of the modes startup, starter, gap and swap")
	flag.StringVar(&o.model, "model", "starter", "the model of mode gap: a folder, or the one in the binary")
	flag.DurationVar(&o.maxGap, "max-gap", 200*time.Millisecond, "the target of mode gap")
	flag.Parse()

	if *profile != "" {
		file, err := os.Create(*profile)
		if err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		if err := pprof.StartCPUProfile(file); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return measure(ctx, *name, o)
}

// measure runs a mode, or all.
func measure(ctx context.Context, name string, o options) error {
	found := false
	for _, m := range modes() {
		if m.name != name && (name != "all" || m.name == "url") {
			continue
		}
		if !found {
			fmt.Println(harness.Machine())
		}
		found = true
		r, err := m.run(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		r.Title = m.name + ": " + r.Title
		r.Write(os.Stdout)
	}
	if !found {
		return fmt.Errorf("there is no mode %q", name)
	}
	return nil
}
