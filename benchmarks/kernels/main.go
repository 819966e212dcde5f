// Command kernels measures the kernels of the CPU one by one, beside what this machine can do at best, and whole models.
//
//	go run ./benchmarks/kernels                                  the kernels
//	go run ./benchmarks/kernels -models .models/llama-1b-4bit    and models; benchmarks/models/make.py makes some
package main

import (
	"flag"
	"fmt"
	"log"
	"strings"
)

type settings struct {
	isa      string
	threads  int
	kernels  bool
	models   string
	contexts string
	rows     string
	kvBits   int
	memory   int64
}

func main() {
	var s settings
	flag.StringVar(&s.isa, "isa", "", "avx512, avx2 or portable; the best of the machine by default")
	flag.IntVar(&s.threads, "threads", 0, "0: one for each core")
	flag.BoolVar(&s.kernels, "kernels", true, "measure the kernels one by one")
	flag.StringVar(&s.models, "models", "", "model folders, separated by commas, to measure as a whole")
	flag.StringVar(&s.contexts, "contexts", "0,4096,16384", "positions before the measured token")
	flag.StringVar(&s.rows, "rows", "1,2,4,8,16,32", "rows of a decode step")
	flag.IntVar(&s.kvBits, "kv-bits", 16, "of a number in the KV pool")
	flag.Int64Var(&s.memory, "kv-memory", 10<<30, "most bytes of the KV pool of a model; what needs more is left out")
	flag.Parse()
	if err := run(s); err != nil {
		log.Fatal(err)
	}
}

func run(s settings) error {
	g, err := newGauge(s)
	if err != nil {
		return err
	}
	defer g.k.Close()
	if s.kernels {
		if err := measureKernels(s, g); err != nil {
			return err
		}
	}
	for _, dir := range strings.Split(s.models, ",") {
		if dir == "" {
			continue
		}
		if err := measureModel(dir, s, g); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}
