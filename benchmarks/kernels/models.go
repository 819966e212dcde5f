package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"troupe/benchmarks/harness"
	"troupe/mlx/engine"
	"troupe/runtime"
)

const promptTokens = 512

// measureModel prints the tokens per second of a whole model: prefill, and decode at several rows and contexts.
func measureModel(dir string, s settings, g *gauge) error {
	contexts, err := harness.Numbers(s.contexts)
	if err != nil {
		return err
	}
	rows, err := harness.Numbers(s.rows)
	if err != nil {
		return err
	}
	folder, err := engine.ReadFolder(os.DirFS(dir), filepath.Base(dir))
	if err != nil {
		return err
	}
	options := engine.Options{Threads: s.threads, ISA: s.isa, KVBits: s.kvBits}
	plan := folder.MemoryPlan(options)
	perRow := func(context int) int { return (context+promptTokens)/plan.BlockTokens + 1 }
	for _, c := range contexts {
		for _, r := range rows {
			if n := r * perRow(c); int64(n)*plan.BlockBytes <= s.memory {
				options.Blocks = max(options.Blocks, n)
			}
		}
	}
	e, err := engine.New(folder, options)
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	m := &model{engine: e, gauge: g, random: rand.New(rand.NewPCG(3, 4))}
	if err := m.fill(); err != nil {
		return err
	}
	fmt.Printf("%s: %d MiB of weights, %d-bit KV of %d bytes a token\n", folder.Name, plan.Weights>>20, plan.KVBits, plan.KVPerToken)
	if err := m.prefill(contexts, perRow, folder); err != nil {
		return err
	}
	return m.decode(contexts, rows, perRow, plan)
}

type model struct {
	engine *engine.Engine
	gauge  *gauge
	random *rand.Rand
}

// fill writes something to every block, so that it has memory of its own.
func (m *model) fill() error {
	info := m.engine.Info()
	data := make([]byte, info.BlockBytes)
	for i := 0; i+1 < len(data); i += 2 {
		binary.LittleEndian.PutUint16(data[i:], 0x3000+uint16(m.random.IntN(1024))) // a small float16; integers and their scales are harmless too
	}
	for b := range info.Blocks {
		if err := m.engine.WriteBlock(runtime.BlockID(b), data); err != nil {
			return err
		}
	}
	return nil
}

func (m *model) tokens(n int) []int32 {
	all := make([]int32, n)
	for i := range all {
		all[i] = m.random.Int32N(int32(m.engine.Info().Vocab))
	}
	return all
}

// row is that of agent number i, with blocks that no other has.
func (m *model) row(i, perRow, start, tokens int) runtime.Row {
	blocks := make([]runtime.BlockID, perRow)
	for j := range blocks {
		blocks[j] = runtime.BlockID(i*perRow + j)
	}
	return runtime.Row{Blocks: blocks, Start: start, Tokens: m.tokens(tokens), Want: 1}
}

// measured is the median of some steps, and the shortest, with what the machine can do meanwhile: its limits are the best of some runs, too.
type measured struct {
	step, kernels, best time.Duration
	limits              limits
}

// time runs the step that make returns, with new tokens each time, for at least half a second.
func (m *model) time(build func() []runtime.Row) (measured, error) {
	var steps, kernels []time.Duration
	var total time.Duration
	l, err := m.gauge.during(func() error {
		for len(steps) < 4 || total < 700*time.Millisecond {
			rows := build()
			busy, began := m.engine.KernelTime(), time.Now()
			if _, err := m.engine.Step(rows); err != nil {
				return err
			}
			took := time.Since(began)
			steps, kernels = append(steps, took), append(kernels, m.engine.KernelTime()-busy)
			total += took
		}
		return nil
	})
	if err != nil {
		return measured{}, err
	}
	return measured{step: median(steps[1:]), kernels: median(kernels[1:]), best: slices.Min(steps), limits: l}, nil
}

func (m *model) prefill(contexts []int, perRow func(int) int, f *engine.Folder) error {
	for _, c := range contexts {
		if perRow(c) > m.engine.Info().Blocks {
			continue
		}
		t, err := m.time(func() []runtime.Row { return []runtime.Row{m.row(0, perRow(c), c, promptTokens)} })
		if err != nil {
			return err
		}
		perSecond := promptTokens / t.step.Seconds()
		fmt.Printf("  prefill of %d after %5d: %8.1f tokens/s, %.0f GFLOP/s in linear layers\n", promptTokens, c, perSecond, perSecond*2*float64(parameters(f))/1e9)
	}
	return nil
}

func (m *model) decode(contexts, rows []int, perRow func(int) int, plan engine.Plan) error {
	fmt.Printf("  %7s %5s %10s %9s %7s %8s %12s\n", "context", "rows", "step", "tokens/s", "× one", "of read", "not kernels")
	for _, c := range contexts {
		one := 0.0
		for _, n := range rows {
			if n*perRow(c) > m.engine.Info().Blocks {
				fmt.Printf("  %7d %5d          - the pool would take more than -kv-memory\n", c, n)
				continue
			}
			t, err := m.time(func() []runtime.Row {
				var all []runtime.Row
				for i := range n {
					all = append(all, m.row(i, perRow(c), c, 1))
				}
				return all
			})
			if err != nil {
				return err
			}
			perSecond := float64(n) / t.step.Seconds()
			if one == 0 {
				one = perSecond / float64(n)
			}
			bytes := float64(plan.Weights) + float64(n)*float64(c)*float64(plan.KVPerToken)
			fmt.Printf("  %7d %5d %10v %9.1f %7.2f %7.0f%% %11.1f%%\n", c, n, t.step.Round(time.Microsecond), perSecond, perSecond/one,
				100*bytes/t.best.Seconds()/t.limits.read, 100*(1-t.kernels.Seconds()/t.step.Seconds()))
		}
	}
	fmt.Println()
	return nil
}

// parameters counts the weights of the linear layers that every token of a prompt goes through.
func parameters(f *engine.Folder) int {
	n := 0
	for i := range f.Spec.Layers {
		l := &f.Spec.Layers[i]
		a := l.Attention
		n += f.Spec.Hidden * (2*a.Heads*a.HeadDim + 2*a.KVHeads*a.HeadDim + 3*l.MLP.Hidden)
	}
	return n
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
