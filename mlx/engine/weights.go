package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io/fs"

	"troupe/mlx"
)

// linear is a linear layer on the device.
type linear struct {
	// packed is the weight for the kernels; weight, scales and biases are null then.
	packed mlx.Packed
	// weight is [In, Out], the transpose of what the file holds; or, when quant
	// is set, packed words [Out, In*Bits/32].
	weight         mlx.Array
	scales, biases mlx.Array // null unless quantised
	bias           mlx.Array // null if the layer has none
	quant          mlx.Quantization
}

// layerWeights is one layer on the device. qNorm and kNorm may be null.
type layerWeights struct {
	attentionNorm, mlpNorm, qNorm, kNorm mlx.Array
	q, k, v, o, gate, up, down           linear
}

// weights is a model on the device. The arrays belong to one graph.
type weights struct {
	embedding linear
	rows      mlx.Array // the embedding as [Vocab, Hidden], perhaps a view; null when quantised
	layers    []layerWeights
	norm      mlx.Array
	head      linear // the embedding itself when tied
}

// loader moves the tensors of a folder to the device one by one, so that the
// peak is the model and a few copies of its largest tensor. It keeps the first
// error.
type loader struct {
	context *mlx.Context
	keep    *mlx.Graph // owns what is loaded
	folder  *Folder
	// float is the type of activations. Every floating-point tensor is
	// converted to it here, once: an operation on mixed types would convert the
	// weight on each call.
	float    mlx.Dtype
	pack     bool // linear weights for the kernels
	progress func(done, total int64)
	abort    func() error

	done, total int64
	sums        hash.Hash // over names, shapes and checksums, for the tag
	err         error
}

// floatType is the type of activations: float32 on the CPU, where MLX's 16-bit
// matrix products are slow and inexact; elsewhere that of the embedding.
func (f *Folder) floatType(device mlx.Device) mlx.Dtype {
	if device == mlx.CPU {
		return mlx.Float32
	}
	name := f.Layout.Embedding.Path + ".weight"
	if f.Layout.Embedding.Quant != nil {
		name = f.Layout.Embedding.Path + ".scales"
	}
	d, _ := deviceType(f.Index.Tensors[name].DType)
	return d
}

// load reads all weights. keep owns them, also after an error.
func (l *loader) load() (*weights, error) {
	matrices, packed := 0, int64(0)
	for _, t := range l.folder.tensors() {
		l.total += t.Bytes
		if len(t.Shape) == 2 {
			matrices, packed = matrices+1, packed+loaded(t, true)
		}
	}
	if l.pack {
		l.keep.ReservePacked(packed, matrices)
	}
	l.sums = sha256.New()
	layout := l.folder.Layout
	w := &weights{layers: make([]layerWeights, len(layout.Layers))}
	w.embedding, w.rows = l.embedding(&layout.Embedding, layout.Head == nil)
	for i := range layout.Layers {
		w.layers[i] = l.layer(&layout.Layers[i])
	}
	w.norm = l.tensor(layout.Norm)
	w.head = w.embedding
	if layout.Head != nil {
		w.head = l.linear(layout.Head)
	}
	if l.err == nil {
		l.err = l.keep.Err()
	}
	return w, l.err
}

// digest identifies what was loaded.
func (l *loader) digest() string { return hex.EncodeToString(l.sums.Sum(nil)) }

func (l *loader) layer(n *LayerLayout) layerWeights {
	return layerWeights{
		attentionNorm: l.tensor(n.AttentionNorm), mlpNorm: l.tensor(n.MLPNorm),
		qNorm: l.tensor(n.QNorm), kNorm: l.tensor(n.KNorm),
		q: l.linear(&n.Q), k: l.linear(&n.K), v: l.linear(&n.V), o: l.linear(&n.O),
		gate: l.linear(&n.Gate), up: l.linear(&n.Up), down: l.linear(&n.Down),
	}
}

// embedding loads the embedding for looking up, and as a linear layer too if it
// is tied.
func (l *loader) embedding(n *Linear, tied bool) (w linear, rows mlx.Array) {
	if n.Quant == nil && !tied && !l.pack {
		return linear{}, l.tensor(n.Path + ".weight")
	}
	w = l.linear(n)
	if n.Quant == nil && !l.pack {
		rows = l.keep.Transpose(w.weight)
		l.eval(rows)
	}
	return w, rows
}

func (l *loader) linear(n *Linear) linear {
	var w linear
	switch {
	case l.pack:
		w.packed = l.packed(n)
	case n.Quant != nil:
		w.quant = mlx.Quantization{GroupSize: n.Quant.Group, Bits: n.Quant.Bits}
		w.weight = l.tensor(n.Path + ".weight")
		w.scales, w.biases = l.tensor(n.Path+".scales"), l.tensor(n.Path+".biases")
	default:
		w.weight = l.read(n.Path+".weight", l.transpose)
	}
	if n.Bias {
		w.bias = l.tensor(n.Path + ".bias")
	}
	return w
}

// packed loads a weight for the kernels.
func (l *loader) packed(n *Linear) mlx.Packed {
	t, weight := l.bytes(n.Path + ".weight")
	var scales, biases []byte
	if n.Quant != nil {
		t, scales = l.bytes(n.Path + ".scales")
		_, biases = l.bytes(n.Path + ".biases")
	}
	if l.err != nil {
		return mlx.Packed{}
	}
	dtype, ok := deviceType(t.DType)
	if !ok {
		l.err = fmt.Errorf("%s: %s: dtype %s cannot be loaded", t.File, n.Path, t.DType)
		return mlx.Packed{}
	}
	if n.Quant == nil {
		return l.keep.Pack(weight, dtype, n.Out, n.In)
	}
	return l.keep.PackQuantised(weight, scales, biases, dtype, n.Out, n.In, mlx.Quantization{GroupSize: n.Quant.Group, Bits: n.Quant.Bits})
}

// transpose really moves the elements on the CPU: the BLAS of MLX's wheel takes
// twice to three times as long for x @ w^T, where it sums dot products one
// addition after the other, and gives the same bits.
func (l *loader) transpose(g *mlx.Graph, a mlx.Array) mlx.Array {
	a = g.Transpose(a)
	if l.context.Device() == mlx.CPU {
		a = g.Contiguous(a)
	}
	return a
}

func (l *loader) eval(a mlx.Array) {
	if l.err == nil {
		l.err = l.keep.Eval(a)
	}
}

// tensor loads one tensor as it is; the empty name is null.
func (l *loader) tensor(name string) mlx.Array {
	return l.read(name, func(_ *mlx.Graph, a mlx.Array) mlx.Array { return a })
}

func (l *loader) read(name string, arrange func(*mlx.Graph, mlx.Array) mlx.Array) mlx.Array {
	if name == "" {
		return mlx.Array{}
	}
	t, data := l.bytes(name)
	if l.err != nil {
		return mlx.Array{}
	}
	a, err := l.upload(t, data, arrange)
	if err != nil {
		l.err = fmt.Errorf("%s: tensor %q: %w", t.File, name, err)
		return mlx.Array{}
	}
	return a
}

// bytes reads a tensor, and counts it.
func (l *loader) bytes(name string) (Tensor, []byte) {
	t := l.folder.Index.Tensors[name]
	if l.err == nil && l.abort != nil {
		l.err = l.abort()
	}
	if l.err != nil {
		return t, nil
	}
	data, err := readTensor(l.folder.fsys, t)
	if err != nil {
		l.err = fmt.Errorf("%s: tensor %q: %w", t.File, name, err)
		return t, nil
	}
	fmt.Fprintf(l.sums, "%s %s %v %08x\n", name, t.DType, t.Shape, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
	l.done += t.Bytes
	if l.progress != nil {
		l.progress(l.done, l.total)
	}
	return t, data
}

func (l *loader) upload(t Tensor, data []byte, arrange func(*mlx.Graph, mlx.Array) mlx.Array) (_ mlx.Array, err error) {
	dtype, ok := deviceType(t.DType)
	if !ok {
		return mlx.Array{}, fmt.Errorf("dtype %s cannot be loaded", t.DType)
	}
	shape := make([]int, len(t.Shape))
	for i, d := range t.Shape {
		shape[i] = int(d)
	}
	g := l.context.NewGraph()
	defer func() { err = errors.Join(err, g.Close()) }()
	a := g.FromBytes(data, dtype, shape...)
	if dtype != mlx.Uint32 {
		a = g.AsType(a, l.float)
	}
	a = arrange(g, a)
	if err := g.Eval(a); err != nil {
		return mlx.Array{}, err
	}
	return l.keep.Keep(a), l.keep.Err()
}

// readTensor reads the bytes of a tensor, whose size was found true when the
// header was read. A file that was cut since then is an error.
func readTensor(fsys fs.FS, t Tensor) ([]byte, error) {
	f, r, err := openRandom(fsys, t.File)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // was only read
	data := make([]byte, t.Bytes)
	if n, err := r.ReadAt(data, t.Offset); n < len(data) {
		return nil, fmt.Errorf("read %d bytes at %d: %w", t.Bytes, t.Offset, err)
	}
	return data, nil
}

func deviceType(dtype string) (mlx.Dtype, bool) {
	switch dtype {
	case "F32":
		return mlx.Float32, true
	case "F16":
		return mlx.Float16, true
	case "BF16":
		return mlx.BFloat16, true
	case "U32":
		return mlx.Uint32, true
	}
	return 0, false
}
