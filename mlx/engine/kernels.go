package engine

import (
	"fmt"
	"math"
	"slices"

	"troupe/mlx"
	"troupe/runtime"
)

// Uncovered says why a model does not run on the kernels of this program but on MLX's
// operations; empty if it does.
func (f *Folder) Uncovered(o Options) string {
	const widest = 256 // heads; as in mlx/cache.h
	switch {
	case o.Device == mlx.GPU:
		return "the device is a GPU"
	case o.Reference:
		return "MLX's operations were asked for"
	}
	for i := range f.Spec.Layers {
		if n := f.Spec.Layers[i].Attention.HeadDim; n > widest {
			return fmt.Sprintf("head_dim %d is above %d", n, widest)
		}
	}
	return ""
}

// kernels is the backend of our own kernels for the CPU. A step is recorded as a list of
// kernel calls, which runs as one MLX primitive. The KV pool is plain memory that
// the calls write to.
type kernels struct {
	info    runtime.EngineInfo
	spec    *Spec
	weights *weights
	form    kvForm
	exact   bool // activations in float32

	machine *mlx.Kernels
	caches  []mlx.Cache
	memory  [][]byte // of the caches: for each layer the keys, then the values

	program *mlx.Program
	values  []float32 // results of the last step
	ids     []float32 // int32 by their bits
	sums    []float32
	logits  []float32
}

func newKernels(l *loader, info runtime.EngineInfo, o Options) (*kernels, error) {
	machine, err := mlx.NewKernels(mlx.KernelOptions{Threads: o.Threads, ISA: o.ISA})
	if err != nil {
		return nil, err
	}
	x := &kernels{
		info: info, spec: l.folder.Spec, form: o.kvForm(true), exact: o.Activations == Float32,
		machine: machine, program: mlx.NewProgram(),
	}
	if err := x.load(l); err != nil {
		x.close()
		return nil, err
	}
	return x, nil
}

func (x *kernels) load(l *loader) (err error) {
	if x.weights, err = l.load(); err != nil {
		return err
	}
	g := l.keep
	for i := range x.spec.Layers {
		a := &x.spec.Layers[i].Attention
		cache := mlx.Cache{
			Bits: x.form.bits, KVHeads: a.KVHeads, HeadDim: a.HeadDim, BlockTokens: x.form.blockTokens,
			Keys:   g.Empty(mlx.Uint8, x.info.Blocks, a.KVHeads, x.form.keyBytes(a.HeadDim)),
			Values: g.Empty(mlx.Uint8, x.info.Blocks, a.KVHeads, x.form.valueBytes(a.HeadDim)),
		}
		if err := cache.Check(); g.Err() == nil && err != nil {
			return err
		}
		for _, side := range []mlx.Array{cache.Keys, cache.Values} {
			memory, err := g.Memory(side)
			if err != nil {
				return fmt.Errorf("allocate the KV pool: %w", err)
			}
			x.memory = append(x.memory, memory)
		}
		x.caches = append(x.caches, cache)
	}
	return nil
}

func (x *kernels) close() { x.machine.Close() }

func (x *kernels) numerics() string {
	activations := Int8
	if x.exact {
		activations = Float32
	}
	return fmt.Sprintf("kernels %s, activations %s, %d-bit blocks of keys across and values along, 2", x.machine.ISA(), activations, x.form.bits)
}

func (x *kernels) tensors() []runtime.BlockTensor {
	var all []runtime.BlockTensor
	for i, c := range x.caches {
		keys, values := []int{c.KVHeads, x.form.keyBytes(c.HeadDim)}, []int{c.KVHeads, x.form.valueBytes(c.HeadDim)}
		dtype := "U8"
		if c.Bits == 16 {
			dtype = "F16"
			lanes, width := roundUp(c.BlockTokens, 16), roundUp(c.HeadDim, 16)
			keys, values = []int{c.KVHeads, c.HeadDim, lanes}, []int{c.KVHeads, c.BlockTokens, width}
		}
		all = append(all,
			runtime.BlockTensor{Name: fmt.Sprintf("layers.%d.keys", i), DType: dtype, Shape: keys},
			runtime.BlockTensor{Name: fmt.Sprintf("layers.%d.values", i), DType: dtype, Shape: values})
	}
	return all
}

func (x *kernels) readBlock(b runtime.BlockID, dst []byte) error {
	for _, m := range x.memory {
		n := len(m) / x.info.Blocks
		copy(dst[:n], m[int(b)*n:])
		dst = dst[n:]
	}
	return nil
}

func (x *kernels) writeBlock(b runtime.BlockID, src []byte) error {
	for _, m := range x.memory {
		n := len(m) / x.info.Blocks
		copy(m[int(b)*n:int(b+1)*n], src)
		src = src[n:]
	}
	return nil
}

// flat is a step laid out for the kernels: the tokens row after row, each row a span of queries
// with a block table of its own.
type flat struct {
	place
	spans  []int32 // four numbers for each row; see mlx.Attend
	tables []int32
}

func newFlat(rows []runtime.Row, info runtime.EngineInfo) *flat {
	f := &flat{}
	last := make([]int, len(rows))
	for i := range rows {
		r := &rows[i]
		f.spans = append(f.spans, int32(len(f.tokens)), int32(len(r.Tokens)), int32(r.Start), int32(len(f.tables)))
		for _, b := range r.Blocks[:info.BlocksFor(r.Start+len(r.Tokens))] {
			f.tables = append(f.tables, int32(b))
		}
		last[i] = f.add(r, info.BlockTokens)
	}
	f.ask(rows, last)
	return f
}

func (x *kernels) step(c *mlx.Context, rows []runtime.Row, results []runtime.Result) (err error) {
	f := newFlat(rows, x.info)
	x.program.Reset()
	a := newAnswers(f.wants, x.info.Vocab, x.program)
	x.record(f, a)
	g := c.NewGraph()
	defer func() {
		if closed := g.Close(); err == nil {
			err = closed
		}
	}()
	out := g.Run(x.machine, x.program)
	if err := g.Eval(out...); err != nil {
		return err
	}
	return x.read(g, out, a, results)
}

// answers are the outputs of a step: the best candidates of the rows that want logits, and all
// logits if a row wants those or more candidates than the kernel finds.
type answers struct {
	wants             []want
	vocab             int
	best              []int32 // candidates to find, for each want
	most              int     // of best
	all               bool
	values, ids, sums mlx.Reg
	logits            mlx.Reg
}

func newAnswers(wants []want, vocab int, p *mlx.Program) *answers {
	a := &answers{wants: wants, vocab: vocab}
	if len(wants) == 0 {
		a.sums = p.Output(1) // a primitive needs an output
		return a
	}
	for _, w := range wants {
		n := min(w.n, vocab)
		if n < 0 || n > runtime.MaxTopK {
			a.all, n = true, 0
		}
		a.best = append(a.best, int32(n))
		a.most = max(a.most, n)
	}
	n := len(wants)
	a.sums, a.values, a.ids = p.Output(n), p.Output(n*a.most), p.Output(n*a.most)
	if a.all {
		a.logits = p.Output(n * vocab)
	} else {
		a.logits = p.Register(n * vocab)
	}
	return a
}

// read copies the answers of an evaluated step into results.
func (x *kernels) read(g *mlx.Graph, out []mlx.Array, a *answers, results []runtime.Result) error {
	n := len(a.wants)
	if n == 0 {
		return nil
	}
	x.sums, x.values, x.ids = sized(x.sums, n), sized(x.values, n*a.most), sized(x.ids, n*a.most)
	into := [][]float32{x.sums, x.values, x.ids}
	if a.all {
		x.logits = sized(x.logits, n*a.vocab)
		into = append(into, x.logits)
	}
	for i, dst := range into {
		if len(dst) == 0 {
			continue
		}
		if err := g.ReadFloat32s(dst, out[i]); err != nil {
			return err
		}
	}
	for i, w := range a.wants {
		r := runtime.Result{LogSumExp: x.sums[i]}
		if err := finite(r.LogSumExp); err != nil {
			return fmt.Errorf("row %d: %w", w.row, err)
		}
		switch best := int(a.best[i]); {
		case w.n == runtime.WantAll:
			r.Logits = x.logits[i*a.vocab : (i+1)*a.vocab]
		case best == 0:
			r.Top = runtime.TopOf(x.logits[i*a.vocab:(i+1)*a.vocab], w.n)
		default:
			for j := range best {
				at := i*a.most + j
				r.Top = append(r.Top, runtime.Candidate{ID: int32(math.Float32bits(x.ids[at])), Logit: x.values[at]})
			}
		}
		results[w.row] = r
	}
	return nil
}

// lasts are the tokens whose logits are wanted.
func (f *flat) lasts() []int32 {
	last := make([]int32, len(f.wants))
	for i, w := range f.wants {
		last[i] = int32(w.token)
	}
	return last
}

// anyQuantised and anyPlain say what forms of their input some layers need.
func anyQuantised(layers []*linear) bool {
	return slices.ContainsFunc(layers, func(l *linear) bool { return l.packed.Quantised() })
}

func anyPlain(layers []*linear) bool {
	return slices.ContainsFunc(layers, func(l *linear) bool { return !l.packed.Quantised() })
}
