// Command compare runs models of the same shape and the same weights behind Troupe, mlx-lm and llama.cpp, side by side:
//
//	go run ./benchmarks/compare -mlx .venv/bin/python -llama ~/llama.cpp/build/bin
//
// All are servers on the loopback that answer OpenAI's chat completions, asked by one client that counts the tokens of each answer. They are loaded at the
// same time and measured in turns, one at a time, while the others are suspended. Every prompt is new; an answer that came from a cache, is too short,
// or is not a 200 ends the run without figures. The models come from benchmarks/models.
//
// It fails if a ratio that must hold does not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"troupe/benchmarks/harness"
)

// options are the flags.
type options struct {
	shapes, models, binary, args string
	python, openblas, llama      string
	rounds, tokens               int
	slow                         bool
	out                          string
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run() (failed error) {
	var o options
	flag.StringVar(&o.shapes, "shapes", "smollm2-135m,llama-3.2-1b", "the shapes to compare")
	flag.StringVar(&o.models, "models", ".models", "where benchmarks/models put them")
	flag.StringVar(&o.binary, "binary", "bin/troupe", "Troupe's binary")
	flag.StringVar(&o.args, "args", "", "further arguments of `troupe serve`")
	flag.StringVar(&o.python, "mlx", "", "a `python` that has mlx-lm; without it mlx-lm is left out")
	flag.StringVar(&o.openblas, "openblas", "", "a `library` of OpenBLAS; with it, and the folders with plain float32 weights, mlx-lm is measured in its best form too")
	flag.StringVar(&o.llama, "llama", "", "the `folder` of llama-server; without it llama.cpp is left out")
	flag.IntVar(&o.rounds, "rounds", 3, "turns of each program; mlx-lm has one")
	flag.IntVar(&o.tokens, "tokens", 64, "tokens of each answer, but for mlx-lm")
	flag.BoolVar(&o.slow, "plain", true, "measure mlx-lm with 4-bit weights, which is slow")
	flag.StringVar(&o.out, "out", "", "also write to this `file`")
	flag.Parse()

	w, err := harness.Output(o.out)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, w.Close()) }()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fmt.Fprintln(w, harness.Machine())
	fmt.Fprintln(w, strings.Join(os.Args, " "))
	missed, began := 0, harness.ReadTicks()
	for shape := range strings.SplitSeq(o.shapes, ",") {
		n, err := compare(ctx, w, shape, o)
		if err != nil {
			return fmt.Errorf("%s: %w", shape, err)
		}
		missed += n
	}
	fmt.Fprintf(w, "\nthe hypervisor took %.1f %% of the time\n", 100*harness.ReadTicks().StolenSince(began))
	if missed > 0 {
		return fmt.Errorf("%d ratios were missed", missed)
	}
	return nil
}
