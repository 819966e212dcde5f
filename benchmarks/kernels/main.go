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

	"troupe/benchmarks/harness"
	"troupe/mlx"
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
	limits, err := measureLimits(s)
	if err != nil {
		return err
	}
	if s.kernels {
		if err := measureKernels(s, limits); err != nil {
			return err
		}
	}
	for _, dir := range strings.Split(s.models, ",") {
		if dir == "" {
			continue
		}
		if err := measureModel(dir, s, limits); err != nil {
			return fmt.Errorf("%s: %w", dir, err)
		}
	}
	return nil
}

// limits are what the machine can do at best: bytes from memory, and operations on bytes, per second.
type limits struct{ read, dots float64 }

func measureLimits(s settings) (l limits, err error) {
	k, err := mlx.NewKernels(mlx.KernelOptions{Threads: s.threads, ISA: s.isa})
	if err != nil {
		return l, err
	}
	defer k.Close()
	if l.read, l.dots, err = k.Limits(); err != nil {
		return l, err
	}
	fmt.Println(harness.Machine())
	fmt.Printf("kernels %s, %d threads; limits: read %.1f GB/s, dot products of bytes %.0f GOP/s\n\n", k.ISA(), k.Threads(), l.read/1e9, l.dots/1e9)
	return l, nil
}
