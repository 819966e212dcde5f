package main

import (
	"fmt"

	"troupe/benchmarks/harness"
	"troupe/mlx"
)

// limits are what the machine can do at best: bytes from memory, and operations on bytes, per second.
type limits struct{ read, dots float64 }

// gauge measures the limits before and after every measurement, since those of a shared machine change within seconds.
type gauge struct {
	k    *mlx.Kernels
	last limits
}

func newGauge(s settings) (*gauge, error) {
	k, err := mlx.NewKernels(mlx.KernelOptions{Threads: s.threads, ISA: s.isa})
	if err != nil {
		return nil, err
	}
	g := &gauge{k: k}
	if g.last, err = g.measure(); err != nil {
		k.Close()
		return nil, err
	}
	fmt.Println(harness.Machine())
	fmt.Printf("kernels %s, %d threads; limits at the start: read %.1f GB/s, dot products of bytes %.0f GOP/s\n\n", k.ISA(), k.Threads(), g.last.read/1e9, g.last.dots/1e9)
	return g, nil
}

func (g *gauge) measure() (l limits, err error) {
	l.read, l.dots, err = g.k.Limits()
	return l, err
}

// during runs f and returns the mean of the limits before and after it.
func (g *gauge) during(f func() error) (limits, error) {
	if err := f(); err != nil {
		return limits{}, err
	}
	before := g.last
	after, err := g.measure()
	g.last = after
	return limits{read: (before.read + after.read) / 2, dots: (before.dots + after.dots) / 2}, err
}
