package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"troupe/mlx"
)

// bench measures kernels, each as a program of one call or of several calls on different memory, so that nothing is found in a cache that would not be
// there in a model.
type bench struct {
	c      *mlx.Context
	k      *mlx.Kernels
	gauge  *gauge
	limits limits // during the last measurement
	random *rand.Rand
	noise  []byte
}

// cold is how much memory the calls of one program go through.
const cold = 256 << 20

func measureKernels(s settings, gauge *gauge) error {
	thread, err := mlx.Start(mlx.Options{Device: mlx.CPU})
	if err != nil {
		return err
	}
	k, err := mlx.NewKernels(mlx.KernelOptions{Threads: s.threads, ISA: s.isa})
	if err != nil {
		return err
	}
	defer k.Close()
	err = thread.Do(func(c *mlx.Context) error {
		b := &bench{c: c, k: k, gauge: gauge, random: rand.New(rand.NewPCG(1, 2))}
		b.noise = make([]byte, 1<<20)
		for i := 0; i < len(b.noise); i += 8 {
			binary.LittleEndian.PutUint64(b.noise[i:], b.random.Uint64())
		}
		return b.all()
	})
	if closed := thread.Close(); err == nil {
		err = closed
	}
	return err
}

func (b *bench) all() error {
	fmt.Printf("%-46s %5s %10s %9s %7s %6s %6s\n", "kernel", "rows", "time", "GFLOP/s", "GB/s", "read", "dots")
	type weight struct {
		name string
		out  int
		in   int
	}
	shapes := []weight{{"q, k, v of the 1B shape", 3072, 2048}, {"gate and up", 16384, 2048}, {"down", 2048, 8192}, {"logits", 128256, 2048}}
	for _, form := range []string{"4-bit", "8-bit", "bf16"} {
		for _, w := range shapes {
			for _, rows := range []int{1, 8, 512} {
				if rows == 512 && (form == "bf16" || w.out > 100_000) {
					continue
				}
				if err := b.linear(form, w.name, w.out, w.in, rows); err != nil {
					return err
				}
			}
		}
	}
	for _, bits := range []int{16, 8, 4} {
		for _, a := range []struct{ rows, queries, context int }{{1, 1, 4096}, {1, 1, 16384}, {8, 1, 16384}, {1, 512, 0}, {1, 512, 4096}} {
			if err := b.attend(bits, a.rows, a.queries, a.context); err != nil {
				return err
			}
		}
	}
	for _, rows := range []int{1, 8, 512} {
		if err := b.elementwise(rows); err != nil {
			return err
		}
	}
	for _, rows := range []int{1, 8} {
		if err := b.reduce(rows, 128256); err != nil {
			return err
		}
	}
	fmt.Println()
	return nil
}

// time runs a program until it has taken half a second, and returns its shortest run: the limits are those of the shortest too.
func (b *bench) time(p *mlx.Program) (time.Duration, error) {
	var runs []time.Duration
	var total time.Duration
	var err error
	b.limits, err = b.gauge.during(func() error {
		for len(runs) < 5 || total < 500*time.Millisecond {
			took, err := b.once(p)
			if err != nil {
				return err
			}
			runs = append(runs, took)
			total += took
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return slices.Min(runs), nil
}

func (b *bench) once(p *mlx.Program) (time.Duration, error) {
	g := b.c.NewGraph()
	began := b.k.Busy()
	err := g.Eval(g.Run(b.k, p)...)
	took := b.k.Busy() - began
	if closed := g.Close(); err == nil {
		err = closed
	}
	return took, err
}

// report prints a line: flops and bytes are those of one call. Integer operations are compared with the limit of dot products if dots is set.
func (b *bench) report(name string, rows int, took time.Duration, flops, bytes float64, dots bool) {
	s := took.Seconds()
	share := "     -"
	if dots {
		share = fmt.Sprintf("%5.0f%%", 100*flops/s/b.limits.dots)
	}
	fmt.Printf("%-46s %5d %10v %9.1f %7.1f %5.0f%% %s\n", name, rows, took.Round(100*time.Nanosecond), flops/s/1e9, bytes/s/1e9, 100*bytes/s/b.limits.read, share)
}

func (b *bench) bytes(n int) []byte {
	data := make([]byte, n)
	for at := 0; at < n; at += copy(data[at:], b.noise) {
	}
	return data
}

// scales are n small numbers in bfloat16.
func (b *bench) scales(n int) []byte {
	data := make([]byte, 2*n)
	for i := range n {
		binary.LittleEndian.PutUint16(data[2*i:], uint16(math.Float32bits(0.01*b.random.Float32())>>16))
	}
	return data
}

const group = 64 // of quantised weights

func weightBytes(form string, out, in int) int {
	switch form {
	case "bf16":
		return 2 * out * in
	case "8-bit":
		return out*in + 4*out*in/group
	default:
		return out*in/2 + 4*out*in/group
	}
}

func (b *bench) weight(g *mlx.Graph, form string, out, in int) mlx.Packed {
	if form == "bf16" {
		return g.Pack(b.scales(out*in), mlx.BFloat16, out, in)
	}
	groups := out * in / group
	bytes := weightBytes(form, out, in) - 4*groups
	q := mlx.Quantization{GroupSize: group, Bits: 8 * bytes / (out * in)}
	return g.PackQuantised(b.bytes(bytes), b.scales(groups), b.scales(groups), mlx.BFloat16, out, in, q)
}

func (b *bench) linear(form, name string, out, in, rows int) error {
	g := b.c.NewGraph()
	defer func() { _ = g.Close() }()
	bytes := weightBytes(form, out, in)
	calls := max(cold/bytes, 1)
	if rows == 512 {
		calls = 1 // a weight is read many times anyway
	}
	p := mlx.NewProgram()
	y := p.Output(rows * out)
	x := p.Input(rows, in, form == "bf16", form != "bf16")
	p.Arrange(x, b.rows(g, p, rows, in), mlx.Arrange{})
	g.ReservePacked(int64(calls*bytes), calls)
	for range calls {
		p.Linear(mlx.Linear{Weight: b.weight(g, form, out, in), X: x, Dst: y, Stride: out})
	}
	if g.Err() != nil {
		return g.Err()
	}
	took, err := b.time(p)
	if err != nil {
		return err
	}
	flops := 2 * float64(rows) * float64(out) * float64(in)
	b.report(fmt.Sprintf("linear %s, %s [%d, %d]", form, name, out, in), rows, took/time.Duration(calls), flops, float64(bytes), form != "bf16")
	return nil
}

// rows makes a register of random numbers.
func (b *bench) rows(g *mlx.Graph, p *mlx.Program, rows, width int) mlx.Reg {
	r := p.Register(rows * width)
	all := make([]int32, rows)
	for i := range all {
		all[i] = int32(i)
	}
	p.Lookup(r, g.Pack(b.scales(rows*width), mlx.BFloat16, rows, width), p.Ints(all), rows)
	return r
}

// attend is attention of the 1B shape: rows agents with so many queries each, after a context.
func (b *bench) attend(bits, rows, queries, context int) error {
	const heads, kvHeads, headDim, blockTokens = 32, 8, 64, 32
	g := b.c.NewGraph()
	defer func() { _ = g.Close() }()
	blocks := (context + queries + blockTokens - 1) / blockTokens
	perHead := blockTokens * headDim * bits / 8
	if bits != 16 {
		perHead += blockTokens * 4 * ((headDim + 63) / 64)
	}
	bytes := 2 * rows * blocks * kvHeads * perHead
	calls := max(cold/bytes, 1)
	p := mlx.NewProgram()
	out := p.Output(rows * queries * heads * headDim)
	q := b.rows(g, p, rows*queries, heads*headDim)
	var spans, tables []int32
	for r := range rows {
		spans = append(spans, int32(r*queries), int32(queries), int32(context), int32(len(tables)))
		for i := range blocks {
			tables = append(tables, int32(r*blocks+i))
		}
	}
	at, table := p.Ints(spans), p.Ints(tables)
	for range calls {
		side := func() mlx.Array {
			return g.FromBytes(make([]byte, rows*blocks*kvHeads*perHead), mlx.Uint8, rows*blocks, kvHeads, perHead)
		}
		cache := mlx.Cache{Keys: side(), Values: side(), Bits: bits, KVHeads: kvHeads, HeadDim: headDim, BlockTokens: blockTokens}
		if g.Err() != nil {
			return g.Err()
		}
		if err := cache.Check(); err != nil {
			return err
		}
		p.Attend(mlx.Attend{Spans: at, Tables: table, Count: rows, Heads: heads, Scale: 0.125, Q: q, Out: out, Cache: cache})
	}
	took, err := b.time(p)
	if err != nil {
		return err
	}
	pairs := float64(rows) * (float64(queries)*float64(context) + float64(queries)*float64(queries+1)/2)
	b.report(fmt.Sprintf("attention %d-bit KV, %d queries after %d", bits, queries, context), rows, took/time.Duration(calls), 4*pairs*heads*headDim, float64(bytes), false)
	return nil
}

// elementwise are the kernels between the linear layers, of the 1B shape.
func (b *bench) elementwise(rows int) error {
	const hidden, mlp, heads, kvHeads, headDim, blockTokens, calls = 2048, 8192, 32, 8, 64, 32, 64
	g := b.c.NewGraph()
	defer func() { _ = g.Close() }()
	for _, k := range []struct {
		name   string
		width  int
		source mlx.Source
	}{{"RMS norm and quantisation", hidden, mlx.Normed}, {"SiLU gate and quantisation", mlp, mlx.Gated}} {
		p := mlx.NewProgram()
		p.Output(1)
		n := k.width
		if k.source == mlx.Gated {
			n *= 2
		}
		x, in := b.rows(g, p, rows, n), p.Input(rows, k.width, false, true)
		for range calls {
			p.Arrange(in, x, mlx.Arrange{Source: k.source, Eps: 1e-5})
		}
		took, err := b.time(p)
		if err != nil {
			return err
		}
		b.report(fmt.Sprintf("%s [%d]", k.name, k.width), rows, took/calls, float64(rows*n*4), float64(rows*n*4), false)
	}

	p := mlx.NewProgram()
	p.Output(1)
	width := (heads + 2*kvHeads) * headDim
	qkv, q := b.rows(g, p, rows, width), p.Register(rows*heads*headDim)
	side := g.Empty(mlx.Uint8, 2*rows, kvHeads, blockTokens*headDim*2)
	block, slot, partner := make([]int32, rows), make([]int32, rows), make([]int32, headDim)
	for i := range rows {
		block[i], slot[i] = int32(2*i), int32(i%blockTokens)
	}
	for i := range partner {
		partner[i] = int32((i + headDim/2) % headDim)
	}
	turns := p.Floats(make([]float32, rows*headDim))
	w := mlx.RopeWrite{
		Rows: rows, Heads: heads, QKV: qkv, Q: q, Cos: turns, Sin: turns, Partner: p.Ints(partner), Block: p.Ints(block), Slot: p.Ints(slot),
		Cache: mlx.Cache{Keys: side, Values: side, Bits: 16, KVHeads: kvHeads, HeadDim: headDim, BlockTokens: blockTokens},
	}
	for range calls {
		p.RopeWrite(w)
	}
	took, err := b.time(p)
	if err != nil {
		return err
	}
	b.report("rope and KV write", rows, took/calls, float64(rows*width*3), float64(rows*width*4), false)
	return nil
}

// reduce is what sampling needs of rows of logits.
func (b *bench) reduce(rows, vocab int) error {
	const best, calls = 64, 8
	g := b.c.NewGraph()
	defer func() { _ = g.Close() }()
	p := mlx.NewProgram()
	sums, values, ids := p.Output(rows), p.Output(rows*best), p.Output(rows*best)
	logits := b.rows(g, p, rows, vocab)
	wants := make([]int32, rows)
	for i := range wants {
		wants[i] = best
	}
	for range calls {
		p.Reduce(logits, vocab, wants, best, values, ids, sums)
	}
	took, err := b.time(p)
	if err != nil {
		return err
	}
	b.report(fmt.Sprintf("best %d and log-sum-exp of %d", best, vocab), rows, took/calls, float64(rows*vocab*4), float64(rows*vocab*4), false)
	return nil
}
