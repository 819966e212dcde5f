// Command perplexity reports what the CPU's shortcuts cost in quality: the perplexity of the starter model and of its quantised versions on held-out
// conversations, and how far the logits are from those of MLX's operations in float32, for each way to compute:
//
//	go run ./benchmarks/perplexity -mlx .venv/bin/python
//
// With a python that has mlx-lm, MLX in bfloat16 is the yardstick: every shortcut must stay closer to float32 than that.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"troupe/benchmarks/harness"
)

// options are the flags.
type options struct {
	models, text, python, isa, out string
	conversations, tokens          int
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "perplexity:", err)
		os.Exit(1)
	}
}

func run() (failed error) {
	var o options
	flag.StringVar(&o.models, "models", "mlx/starter/model,.models/starter-8bit,.models/starter-4bit", "folders of models")
	flag.StringVar(&o.text, "text", "mlx/starter/heldout.jsonl", "conversations, one on a line")
	flag.StringVar(&o.python, "mlx", "", "a `python` that has mlx-lm; without it there is no yardstick")
	flag.StringVar(&o.isa, "isa", "", "instruction set; the best that there is, by default")
	flag.IntVar(&o.conversations, "conversations", 40, "how many conversations to read")
	flag.IntVar(&o.tokens, "tokens", 512, "how many tokens of each")
	flag.StringVar(&o.out, "out", "", "also write to this `file`")
	flag.Parse()

	w, err := harness.Output(o.out)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, w.Close()) }()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	fmt.Fprintln(w, harness.Machine())
	fmt.Fprintln(w, strings.Join(os.Args, " "))
	for folder := range strings.SplitSeq(o.models, ",") {
		if err := report(ctx, w, folder, o); err != nil {
			return fmt.Errorf("%s: %w", folder, err)
		}
	}
	return nil
}
