package mlx

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/cpu"
)

// everyISA runs a test on the kernels of each instruction set that this machine
// has, with two threads.
func everyISA(t *testing.T, test func(t *testing.T, c *Context, k *Kernels)) {
	t.Helper()
	for _, isa := range []string{"avx512", "avx2", "portable"} {
		t.Run(isa, func(t *testing.T) {
			k := newKernels(t, KernelOptions{Threads: 2, ISA: isa})
			with(t, func(c *Context, _ *Graph) { test(t, c, k) })
		})
	}
}

func newKernels(t testing.TB, o KernelOptions) *Kernels {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	k, err := NewKernels(o)
	if o.ISA == "avx512" || o.ISA == "avx2" {
		if err != nil {
			t.Skip(err) // other machines have other instruction sets
		}
	}
	require.NoError(t, err)
	t.Cleanup(k.Close)
	return k
}

func TestKernelOptions(t *testing.T) {
	start(t)
	_, err := NewKernels(KernelOptions{ISA: "mmx"})
	require.ErrorContains(t, err, "unknown instruction set mmx: there are avx512, avx2 and portable")
	_, err = NewKernels(KernelOptions{Threads: -1})
	require.ErrorContains(t, err, "-1 threads")
	k := newKernels(t, KernelOptions{})
	require.Contains(t, []string{"avx512", "avx2", "portable"}, k.ISA())
	require.Positive(t, k.Threads())
}

// Forcing an instruction set is refused exactly where the processor lacks it, by another reading of what it has.
func TestForcedISA(t *testing.T) {
	start(t)
	x := cpu.X86
	avx2 := x.HasAVX2 && x.HasFMA && x.HasBMI2
	avx512 := avx2 && x.HasAVX512F && x.HasAVX512BW && x.HasAVX512VL && x.HasAVX512DQ && x.HasAVX512VNNI
	best := "portable"
	for _, set := range []struct {
		name string
		has  bool
	}{{"portable", true}, {"avx2", avx2}, {"avx512", avx512}} {
		k, err := NewKernels(KernelOptions{Threads: 1, ISA: set.name})
		if !set.has {
			require.ErrorContains(t, err, "this machine lacks the instruction set "+set.name)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, set.name, k.ISA())
		k.Close()
		best = set.name
	}
	require.Equal(t, best, newKernels(t, KernelOptions{ISA: "auto"}).ISA())
}

// layer is a random weight in all the forms that a test needs.
type layer struct {
	name    string
	out, in int
	packed  Packed
	dense   Array // float32 [out, in]: what the packed weight stands for
}

// randomLayers makes one layer of every form; the graph is the context's own.
func randomLayers(g *Graph, out, in int, seed uint64) []layer {
	w := g.FromFloat32s(random(seed, out*in), out, in)
	var all []layer
	for _, d := range []Dtype{Float32, Float16, BFloat16} {
		narrow := g.AsType(w, d)
		data, _ := g.Bytes(narrow)
		all = append(all, layer{d.String(), out, in, g.Pack(data, d, out, in), g.AsType(narrow, Float32)})
	}
	for _, q := range []Quantization{{32, 4}, {64, 4}, {128, 4}, {32, 8}, {64, 8}, {128, 8}} {
		if in%q.GroupSize != 0 {
			continue
		}
		for _, d := range []Dtype{Float32, Float16, BFloat16} {
			words, scales, biases := g.Quantize(w, q)
			scales, biases = g.AsType(scales, d), g.AsType(biases, d)
			dense := g.Dequantize(words, g.AsType(scales, Float32), g.AsType(biases, Float32), q)
			a, _ := g.Bytes(words)
			b, _ := g.Bytes(scales)
			c, _ := g.Bytes(biases)
			all = append(all, layer{fmt.Sprintf("q%d/%d %v", q.Bits, q.GroupSize, d), out, in, g.PackQuantised(a, b, c, d, out, in, q), dense})
		}
	}
	return all
}

// load sets a register to rows of numbers: as a weight whose rows are looked up in turn.
func load(g *Graph, p *Program, to Reg, x []float32, rows int) {
	all := make([]int32, rows)
	for i := range all {
		all[i] = int32(i)
	}
	p.Lookup(to, g.Pack(asBytes(x), Float32, rows, len(x)/rows), p.Ints(all), rows)
}

// linear runs one layer on rows of x, with a bias and added to what is there.
func (l *layer) linear(t *testing.T, g *Graph, k *Kernels, x []float32, bias Array, integers bool) []float32 {
	t.Helper()
	rows := len(x) / l.in
	p := NewProgram()
	y := p.Output(rows * l.out)
	from := p.Register(rows * l.in)
	load(g, p, from, x, rows)
	in := p.Input(rows, l.in, !integers, integers)
	p.Arrange(in, from, Arrange{})
	p.Linear(Linear{Weight: l.packed, Bias: bias, X: in, Dst: y, Stride: l.out})
	got, err := g.Float32s(g.Run(k, p)[0])
	require.NoError(t, err)
	return got
}

// rms returns the root mean square of the difference, relative to that of want.
func rms(got, want []float32) float64 {
	var off, all float64
	for i := range want {
		d := float64(got[i]) - float64(want[i])
		off += d * d
		all += float64(want[i]) * float64(want[i])
	}
	return math.Sqrt(off / all)
}

// TestLinear compares every form of weight with MLX's own operations over random and
// edge shapes, exactly and with activations of 8 bits.
func TestLinear(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		rng := rand.New(rand.NewPCG(1, 1))
		shapes := [][2]int{{1, 32}, {15, 64}, {16, 128}, {17, 256}, {7, 20}, {100, 33}}
		for range 6 {
			shapes = append(shapes, [2]int{1 + rng.IntN(150), 64 * (1 + rng.IntN(9))})
		}
		for i, shape := range shapes {
			g := c.NewGraph()
			bias := g.FromFloat32s(random(77, shape[0]), shape[0])
			for _, l := range randomLayers(g, shape[0], shape[1], uint64(i+1)) {
				rows := []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 19, 40, 150}[rng.IntN(12)]
				x := random(uint64(rows), rows*l.in)
				want, err := g.Float32s(g.Add(g.MatMul(g.FromFloat32s(x, rows, l.in), g.Transpose(l.dense, 1, 0)), bias))
				require.NoError(t, err)
				require.Less(t, rms(l.linear(t, g, k, x, bias, false), want), 2e-6, "%s %v, %d rows", l.name, shape, rows)
				if l.packed.Quantised() {
					off := rms(l.linear(t, g, k, x, bias, true), want)
					require.Less(t, off, 0.012, "%s %v, %d rows, integers", l.name, shape, rows)
					require.NotZero(t, off, "integers must be what was used")
				}
			}
			require.NoError(t, g.Close())
		}
	})
}

// TestLinearRowsAreIndependent wants the same bits for a row alone, in any batch and
// with one thread or two.
func TestLinearRowsAreIndependent(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		one := newKernels(t, KernelOptions{Threads: 1, ISA: k.ISA()})
		for _, in := range []int{256, 1024} { // one row of long panels goes its own way
			rowsAreIndependent(t, c, one, k, in)
		}
	})
}

func rowsAreIndependent(t *testing.T, c *Context, one, k *Kernels, in int) {
	g := c.NewGraph()
	defer func() { require.NoError(t, g.Close()) }()
	const out, most = 75, 150
	x := random(5, most*in)
	for _, l := range randomLayers(g, out, in, 3) {
		for _, integers := range []bool{false, true} {
			if integers && !l.packed.Quantised() {
				continue
			}
			alone := make([][]float32, most)
			for i := range 24 {
				alone[i] = l.linear(t, g, one, x[i*in:(i+1)*in], Array{}, integers)
			}
			for _, rows := range []int{2, 3, 4, 5, 6, 7, 8, 9, 16, 23, 24} {
				for _, kernels := range []*Kernels{one, k} {
					got := l.linear(t, g, kernels, x[:rows*in], Array{}, integers)
					for i, row := range slices.Collect(slices.Chunk(got, out)) {
						require.Equal(t, alone[i], row, "%s, row %d of %d, integers %v", l.name, i, rows, integers)
					}
				}
			}
			many := l.linear(t, g, one, x, Array{}, integers)
			require.Equal(t, many, l.linear(t, g, k, x, Array{}, integers), l.name)
			require.Equal(t, alone[23], many[23*out:24*out], l.name)
		}
	}
}

// TestProgramsWantArraysThatAreThere: a program does not have MLX compute what it refers to.
func TestProgramsWantArraysThatAreThere(t *testing.T) {
	const n = 64
	k := newKernels(t, KernelOptions{})
	with(t, func(c *Context, keep *Graph) {
		turned := keep.Transpose(keep.FromFloat32s(random(1, n), 8, n/8), 1, 0)
		require.NoError(t, keep.Eval(turned))
		lazy := keep.Add(keep.FromFloat32s(random(1, n), n), keep.FromFloat32s(random(2, n), n))
		for why, norm := range map[string]Array{"not evaluated": lazy, "not row-contiguous": turned} {
			g := c.NewGraph()
			p := NewProgram()
			p.Output(n)
			p.Arrange(p.Input(1, n, true, false), p.Register(n), Arrange{Source: Normed, Norm: norm})
			g.Run(k, p)
			require.ErrorContains(t, g.Err(), "program: an array is "+why)
			require.NoError(t, g.Close())
		}
	})
}

// TestLinearLayersTogether wants layers of one call to write where they should and nowhere else, added to what is there or not.
func TestLinearLayersTogether(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		g := c.NewGraph()
		defer func() { require.NoError(t, g.Close()) }()
		const rows, in, stride = 19, 64, 60
		first, second := randomLayers(g, 17, in, 1), randomLayers(g, 33, in, 2)
		for i := range first {
			a, b := &first[i], &second[(i+5)%len(second)]
			x, before := random(3, rows*in), random(4, rows*stride)
			p := NewProgram()
			y := p.Output(rows * stride)
			from := p.Register(rows * in)
			load(g, p, from, x, rows)
			load(g, p, y, before, rows)
			rowsIn := p.Input(rows, in, true, false)
			p.Arrange(rowsIn, from, Arrange{})
			p.Linear(Linear{Weight: a.packed, X: rowsIn, Dst: y, Offset: 2, Stride: stride, Add: true},
				Linear{Weight: b.packed, X: rowsIn, Dst: y, Offset: 20, Stride: stride})
			got := g.Run(k, p)[0]

			inputs, want := g.FromFloat32s(x, rows, in), g.FromFloat32s(before, rows, stride)
			some := func(from, to int) Array { return g.Slice(want, []int{0, from}, []int{rows, to}) }
			product := func(l *layer) Array { return g.MatMul(inputs, g.Transpose(l.dense, 1, 0)) }
			want = g.Concatenate(1, some(0, 2), g.Add(some(2, 19), product(a)), some(19, 20), product(b), some(53, stride))
			wantValues, err := g.Float32s(want)
			require.NoError(t, err)
			gotValues, err := g.Float32s(got)
			require.NoError(t, err)
			require.Less(t, rms(gotValues, wantValues), 2e-6, "%s and %s", a.name, b.name)
			for at := range wantValues {
				if column := at % stride; column < 2 || column == 19 || column >= 53 {
					require.Equal(t, before[at], gotValues[at], "column %d", column)
				}
			}
		}
	})
}

// arranged returns what a linear layer with the identity as its weight sees.
func arranged(t *testing.T, g *Graph, k *Kernels, x []float32, rows, width, n int, a Arrange, integers bool) []float32 {
	t.Helper()
	identity := make([]float32, n*n)
	for i := range n {
		identity[i*n+i] = 1
	}
	w := g.FromFloat32s(identity, n, n)
	var weight Packed
	if integers {
		// Eight bits between -1 and 1 with a scale of a power of two hold 0 and 1 exactly.
		words := make([]byte, n*n)
		for i := range n {
			words[i*n+i] = 1
		}
		groups := n * n / 32
		ones, zeros := make([]float32, groups), make([]float32, groups)
		for i := range ones {
			ones[i] = 1
		}
		weight = g.PackQuantised(words, asBytes(ones), asBytes(zeros), Float32, n, n, Quantization{GroupSize: 32, Bits: 8})
	} else {
		data, err := g.Bytes(w)
		require.NoError(t, err)
		weight = g.Pack(data, Float32, n, n)
	}
	p := NewProgram()
	y := p.Output(rows * n)
	from := p.Register(rows * width)
	load(g, p, from, x, rows)
	in := p.Input(rows, n, !integers, integers)
	p.Arrange(in, from, a)
	p.Linear(Linear{Weight: weight, X: in, Dst: y, Stride: n})
	got, err := g.Float32s(g.Run(k, p)[0])
	require.NoError(t, err)
	return got
}

// TestArrange compares norms and gates with MLX's operations, and the 8-bit form with
// the plain one: it may be off by half a step of its 32 values.
func TestArrange(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		const eps = 1e-5
		for _, n := range []int{32, 96, 288} {
			for _, rows := range []int{1, 7, 8, 20} {
				g := c.NewGraph()
				x := random(uint64(n+rows), rows*2*n)
				for i := range x {
					x[i] *= 6
				}
				half := x[:rows*n]
				plain, both := g.FromFloat32s(half, rows, n), g.FromFloat32s(x, rows, 2*n)
				weight := g.FromFloat32s(random(9, n), n)
				gate, up := g.Slice(both, []int{0, 0}, []int{rows, n}), g.Slice(both, []int{0, n}, []int{rows, 2 * n})
				require.NoError(t, g.Eval(weight))
				for name, v := range map[string]struct {
					x     []float32
					width int
					a     Arrange
					want  Array
				}{
					"plain":         {half, n, Arrange{}, plain},
					"norm":          {half, n, Arrange{Source: Normed, Norm: weight, Eps: eps}, g.RMSNorm(plain, weight, eps)},
					"norm, no gain": {half, n, Arrange{Source: Normed, Eps: eps}, g.RMSNorm(plain, Array{}, eps)},
					"silu":          {x, 2 * n, Arrange{Source: Gated}, g.Mul(g.SiLU(gate), up)},
					"gelu":          {x, 2 * n, Arrange{Source: Gated, Gate: GeluTanh}, g.Mul(g.GELUTanh(gate), up)},
				} {
					want, err := g.Float32s(v.want)
					require.NoError(t, err)
					got := arranged(t, g, k, v.x, rows, v.width, n, v.a, false)
					require.Less(t, rms(got, want), 1e-6, "%s, %d rows of %d", name, rows, n)
					for at, block := range slices.Collect(slices.Chunk(arranged(t, g, k, v.x, rows, v.width, n, v.a, true), 32)) {
						exact := got[at*32 : (at+1)*32]
						var most float64
						for _, f := range exact {
							most = max(most, math.Abs(float64(f)))
						}
						for i := range exact {
							require.InDelta(t, exact[i], block[i], most/127*0.501, "%s, 8 bits", name)
						}
					}
				}
				require.NoError(t, g.Close())
			}
		}
	})
}

// What is not a number must not become one in 8 bits.
func TestBrokenActivationsStayBroken(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		g := c.NewGraph()
		defer func() { require.NoError(t, g.Close()) }()
		for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
			for at := range 64 {
				x := random(1, 128)
				x[64+at] = float32(bad)
				got := arranged(t, g, k, x, 2, 64, 64, Arrange{}, true)
				first, second := sum(wide(got[:64])), sum(wide(got[64:]))
				require.False(t, math.IsNaN(first), "the row beside it")
				require.True(t, math.IsNaN(second), "%g at %d", bad, at)
			}
		}
	})
}

// TestLookup compares rows of every form with the dense weight.
func TestLookup(t *testing.T) {
	everyISA(t, func(t *testing.T, c *Context, k *Kernels) {
		g := c.NewGraph()
		defer func() { require.NoError(t, g.Close()) }()
		const out, in = 37, 128
		rows := []int32{0, 36, 15, 16, 16, 3}
		for _, l := range randomLayers(g, out, in, 8) {
			p := NewProgram()
			y := p.Output(len(rows) * in)
			p.Lookup(y, l.packed, p.Ints(rows), len(rows))
			got, err := g.Float32s(g.Run(k, p)[0])
			require.NoError(t, err)
			want, err := g.Float32s(g.Take(l.dense, g.FromInt32s(rows, len(rows)), 0))
			require.NoError(t, err)
			require.Less(t, rms(got, want), 1e-7, l.name)
		}
	})
}

// A step that cannot get its memory fails, and the next one works.
func TestProgramOutOfMemory(t *testing.T) {
	start(t)
	k := newKernels(t, KernelOptions{})
	with(t, func(c *Context, g *Graph) {
		p := NewProgram()
		y := p.Output(4)
		p.Register(1 << 45)
		p.Take(y, y, []int32{0}, 4)
		require.ErrorContains(t, g.Eval(g.Run(k, p)...), "out of memory: a step needs")

		g2 := c.NewGraph()
		defer func() { require.NoError(t, g2.Close()) }()
		l := randomLayers(g2, 4, 32, 1)[0]
		require.Len(t, l.linear(t, g2, k, random(1, 32), Array{}, false), 4)
	})
}
