package mlx

import (
	"fmt"
	"math"
)

// Program is a list of kernel calls that runs as one MLX primitive: see program.h for
// why. It is recorded for each step, which costs some nanoseconds a call, and
// reused with Reset. Registers are float32 memory, valid within one run.
//
// Calls refer to each other's registers, which the recorder must size right;
// shapes are in the comments. A call runs after those recorded before it.
type Program struct {
	outputs   []int64 // elements of each
	registers []int64
	inputs    []int64 // four words each
	weights   []int64 // six words each
	calls     []int64
	ints      []int32
	floats    []float32

	arrays []Array // one may be here more than once: to look it up would cost more
}

// Reg names a register.
type Reg int64

// Input names rows that were arranged for linear layers.
type Input int64

// Offset is where data that a call needs begins; see [Program.Ints].
type Offset int64

type call int64

// The calls, in the order of program.cc.
const (
	callLookup call = iota
	callArrange
	callLinear
	callRopeWrite
	callAttend
	callTake
	callReduce
)

// NewProgram makes an empty program.
func NewProgram() *Program { return &Program{} }

// Reset empties the program and keeps its memory.
func (p *Program) Reset() {
	p.outputs, p.registers, p.inputs, p.weights = p.outputs[:0], p.registers[:0], p.inputs[:0], p.weights[:0]
	p.calls, p.ints, p.floats, p.arrays = p.calls[:0], p.ints[:0], p.floats[:0], p.arrays[:0]
}

// Output makes a register of n elements that [Graph.Run] returns. Outputs come
// before other registers.
func (p *Program) Output(n int) Reg {
	if len(p.outputs) != len(p.registers) {
		panic("mlx: a program's outputs come before its registers")
	}
	p.outputs = append(p.outputs, int64(n))
	return p.Register(n)
}

// Register makes a register of n elements. What is in it at first is undefined.
func (p *Program) Register(n int) Reg {
	p.registers = append(p.registers, int64(n))
	return Reg(len(p.registers) - 1)
}

// Input makes room for rows of k numbers: in plain form, for weights that are not
// quantised and for exact arithmetic, and as integers, which needs k to be a
// multiple of 32.
func (p *Program) Input(rows, k int, plain, quantised bool) Input {
	p.inputs = append(p.inputs, int64(rows), int64(k), flag(plain), flag(quantised))
	return Input(len(p.inputs)/4 - 1)
}

// Ints stores data for a call.
func (p *Program) Ints(data []int32) Offset {
	p.ints = append(p.ints, data...)
	return Offset(len(p.ints) - len(data))
}

// Floats stores data for a call.
func (p *Program) Floats(data []float32) Offset {
	p.floats = append(p.floats, data...)
	return Offset(len(p.floats) - len(data))
}

// NoData stands for data that there is none of.
const NoData Offset = -1

// Lookup sets dst [rows, w.In] to rows of a weight, by tokens [rows].
func (p *Program) Lookup(dst Reg, w Packed, tokens Offset, rows int) {
	p.call(callLookup, int64(dst), p.weight(w), int64(tokens), int64(rows))
}

// Source says what is arranged for a linear layer.
type Source int64

// The sources, in the order of kernels.h.
const (
	Plain  Source = iota // the rows
	Normed               // their RMS norm
	Gated                // gate(first half) * second half
)

// Gate is the activation of a gated MLP.
type Gate int64

// The gates, in the order of kernels.h.
const (
	SiLU Gate = iota
	GeluTanh
)

// Arrange arranges rows from src, [rows, k] or, if gated, [rows, 2k].
type Arrange struct {
	Source Source
	Gate   Gate
	Norm   Array // float32 [k], or null; with Normed
	Eps    float64
}

// Arrange fills dst with rows made from src.
func (p *Program) Arrange(dst Input, src Reg, a Arrange) {
	p.call(callArrange, int64(dst), int64(a.Source), int64(a.Gate), int64(src), p.array(a.Norm), bits(a.Eps))
}

// Linear is a linear layer: Dst[row, Offset:Offset+Out] = x @ W^T + Bias, where Dst
// has rows of Stride; with Add it is added to what is there.
type Linear struct {
	Weight         Packed
	Bias           Array // float32 [Out], or null
	X              Input
	Dst            Reg
	Offset, Stride int
	Add            bool
}

// Linear computes layers that have the same number of rows, together.
func (p *Program) Linear(layers ...Linear) {
	p.call(callLinear, int64(len(layers)))
	for _, l := range layers {
		p.calls = append(p.calls, p.weight(l.Weight), p.array(l.Bias), int64(l.X), int64(l.Dst), int64(l.Offset), int64(l.Stride), flag(l.Add))
	}
}

// Cache is the KV memory of one layer. Keys and Values are uint8 arrays
// [blocks, KVHeads, bytes]; see cache.h and [Cache.Check].
type Cache struct {
	Keys, Values                        Array
	Bits, KVHeads, HeadDim, BlockTokens int
}

func (p *Program) cache(c Cache) {
	p.calls = append(p.calls, p.array(c.Keys), p.array(c.Values), int64(c.Bits), int64(c.KVHeads), int64(c.HeadDim), int64(c.BlockTokens))
}

// RopeWrite is what [Program.RopeWrite] needs.
type RopeWrite struct {
	Rows, Heads  int
	QKV, Q       Reg   // in: [Rows, Heads+2*KVHeads, HeadDim]; out: [Rows, Heads, HeadDim]
	QNorm, KNorm Array // float32 [HeadDim], or null
	Eps          float64
	// Cos and Sin [Rows, HeadDim] and Partner [HeadDim] rotate:
	// x'[i] = x[i]*cos[i] + x[partner[i]]*sin[i]. NoData is no rotation.
	Cos, Sin, Partner Offset
	Block, Slot       Offset // [Rows]: where the keys and values of a row go
	Cache             Cache
}

// RopeWrite rotates queries and keys, after their norm, and writes keys and values
// to the cache. No two rows may go to the same place.
func (p *Program) RopeWrite(r RopeWrite) {
	p.call(callRopeWrite, int64(r.Rows), int64(r.Heads), int64(r.QKV), int64(r.Q), p.array(r.QNorm), p.array(r.KNorm), bits(r.Eps),
		int64(r.Cos), int64(r.Sin), int64(r.Partner), int64(r.Block), int64(r.Slot))
	p.cache(r.Cache)
}

// Attend is what [Program.Attend] needs.
type Attend struct {
	// Spans are Count times four numbers: the first row of some queries, how many
	// they are, the position of the first, and where their block table begins in Tables.
	Spans, Tables Offset
	Count         int
	Heads         int
	Scale         float64
	Window        int     // a query sees itself and Window-1 positions before it; 0: all
	Softcap       float64 // 0: none
	Sinks         Array   // float32 [Heads], or null
	Q, Out        Reg     // [rows, Heads, HeadDim]
	Cache         Cache
}

// Attend is causal attention of rows over the blocks of their own agent.
func (p *Program) Attend(a Attend) {
	p.call(callAttend, int64(a.Count), int64(a.Spans), int64(a.Tables), int64(a.Heads), bits(a.Scale), int64(a.Window), bits(a.Softcap),
		p.array(a.Sinks), int64(a.Q), int64(a.Out))
	p.cache(a.Cache)
}

// Take sets dst [n, width] to the rows of src that are listed.
func (p *Program) Take(dst, src Reg, rows []int32, width int) {
	p.call(callTake, int64(dst), int64(src), int64(p.Ints(rows)), int64(len(rows)), int64(width))
}

// Reduce finds the wants[i] ≤ k greatest of each row of logits [len(wants), vocab], in falling
// order, and equal ones by rising index, and the log of the sum of exponentials.
// values and ids, whose elements are int32, are [rows, k]; sums is [rows].
func (p *Program) Reduce(logits Reg, vocab int, wants []int32, k int, values, ids, sums Reg) {
	p.call(callReduce, int64(len(wants)), int64(vocab), int64(logits), int64(p.Ints(wants)), int64(k), int64(values), int64(ids), int64(sums))
}

// Run builds the primitive of a program and returns its outputs, float32 arrays of
// one axis. The arrays that the program refers to must be evaluated. Caches are written
// in place: their arrays keep their identity, and Eval must not be skipped.
func (g *Graph) Run(k *Kernels, p *Program) []Array {
	if !g.begin(p.arrays...) {
		return make([]Array, len(p.outputs))
	}
	words := g.ints
	section := func(n int, data []int64) { words = append(append(words, int64(n)), data...) }
	section(len(p.registers), p.registers)
	section(len(p.inputs)/4, p.inputs)
	section(len(p.weights)/6, p.weights)
	g.ints = append(words, p.calls...)
	for len(g.out) < len(p.outputs) {
		g.out = append(g.out, 0)
	}
	out := make([]Array, len(p.outputs))
	if err := run(g.c, k.m, g.in, g.ints, p.ints, p.floats, p.outputs, g.out[:len(out)]); err != nil {
		g.fail("", err)
		return out
	}
	for i := range out {
		out[i] = Array{owner: g, h: g.out[i]}
	}
	return out
}

func (p *Program) call(c call, args ...int64) {
	p.calls = append(append(p.calls, int64(c)), args...)
}

// array returns the number of an array in this program, -1 for null.
func (p *Program) array(a Array) int64 {
	if a.h == 0 {
		return -1
	}
	p.arrays = append(p.arrays, a)
	return int64(len(p.arrays) - 1)
}

func (p *Program) weight(w Packed) int64 {
	p.weights = append(p.weights, p.array(w.data), int64(w.form), int64(w.scale), int64(w.Out), int64(w.In), int64(w.group))
	return int64(len(p.weights)/6 - 1)
}

func flag(v bool) int64 {
	if v {
		return 1
	}
	return 0
}

func bits(v float64) int64 { return int64(math.Float64bits(v)) }

// Check returns an error unless the arrays have the size that the kernels expect of them.
func (c Cache) Check() error {
	keys, values := cacheBytes(c)
	for _, side := range []struct {
		name  string
		a     Array
		bytes int
	}{{"keys", c.Keys, keys}, {"values", c.Values, values}} {
		if shape := side.a.Shape(); len(shape) != 3 || shape[1] != c.KVHeads || shape[2] != side.bytes || side.a.Dtype() != Uint8 {
			return fmt.Errorf("mlx: a cache of %d bits has %s of shape %v, want [blocks, %d, %d] bytes", c.Bits, side.name, shape, c.KVHeads, side.bytes)
		}
	}
	return nil
}
