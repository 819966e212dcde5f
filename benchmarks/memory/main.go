// Command memory measures what it costs that agents last: to bring one back from disk, to save what is new of one, and what an agent takes in memory.
//
//	make build && go run ./benchmarks/memory -mode restore -model .models/llama-3.2-1b-4bit -tokens 1024,4096
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"strings"

	"troupe/benchmarks/harness"
)

// options are the command line.
type options struct {
	binary, model string
	args          []string // of troupe serve
	tokens        []int
	keep          string // folder
	rounds        int
}

func main() {
	var (
		o      options
		mode   = flag.String("mode", "restore", "prepare, restore, gaps, save, agents or scan")
		tokens = flag.String("tokens", "1024,4096,16384", "restore: lengths of the context, rising")
		args   = flag.String("args", "", "further arguments of `troupe serve`")
		out    = flag.String("out", "", "write the figures to this file too")
	)
	flag.StringVar(&o.binary, "binary", "bin/troupe", "Troupe's binary")
	flag.StringVar(&o.model, "model", ".models/llama-3.2-1b-4bit", "a folder of benchmarks/models, whose tokens are bytes")
	flag.StringVar(&o.keep, "keep", "", "prepare, restore, gaps, scan: a folder for what was computed or saved, to be measured again")
	flag.IntVar(&o.rounds, "rounds", 5, "how often everything quick is measured; the middle one counts")
	flag.Parse()
	o.args = strings.Fields(*args)
	if err := run(context.Background(), *mode, *tokens, *out, o); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, mode, tokens, out string, o options) (err error) {
	if o.tokens, err = harness.Numbers(tokens); err != nil {
		return err
	}
	w, err := harness.Output(out)
	if err != nil {
		return err
	}
	defer func() { _ = w.Close() }()
	fmt.Fprintf(w, "%s\n%s %s\n", harness.Machine(), o.model, strings.Join(o.args, " "))
	modes := map[string]func(context.Context, io.Writer, options) error{"prepare": prepare, "restore": restore, "gaps": gaps, "save": save, "agents": agents, "scan": scan}
	run, ok := modes[mode]
	if !ok {
		return fmt.Errorf("there is no mode %q", mode)
	}
	return run(ctx, w, o)
}

// server starts Troupe on a data folder.
func (o *options) server(ctx context.Context, data string, more ...string) (*harness.Process, error) {
	args := append([]string{"--model", o.model, "--data", data}, more...)
	return harness.StartTroupe(ctx, o.binary, append(args, o.args...)...)
}
