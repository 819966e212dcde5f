package engine

import (
	"errors"
	"fmt"

	"troupe/mlx"
	"troupe/runtime"
)

// pool is the KV memory of the graph backend: for each layer one K and one V buffer of
// [blocks, kv_heads, block_tokens, head_dim], allocated once and never cleared. Blocks
// hold whatever was there before, and readers mask what was not written for them; so
// a large pool costs no time until it is used.
//
// The buffers are slots: a write consumes the old value, so that MLX writes into
// the same memory. Nothing outside a step's graph may refer to them.
type pool struct {
	keys, values []side // by layer
	form         kvForm
}

// side is the keys or the values of a layer: float16; or, quantised, integers as MLX
// packs them, with a scale and a bias for each group of a position's numbers.
type side struct {
	data, scales, biases *mlx.Slot
	quant                mlx.Quantization
}

func newPool(g *mlx.Graph, spec *Spec, blocks int, form kvForm) (*pool, error) {
	p := &pool{form: form}
	for i := range spec.Layers {
		a := &spec.Layers[i].Attention
		for _, sides := range []*[]side{&p.keys, &p.values} {
			s, err := newSide(g, a, blocks, form)
			if err != nil {
				return nil, err
			}
			*sides = append(*sides, s)
		}
	}
	if err := g.Err(); err != nil {
		return nil, fmt.Errorf("allocate the KV pool: %w", err)
	}
	return p, nil
}

func newSide(g *mlx.Graph, a *Attention, blocks int, form kvForm) (side, error) {
	slot := func(d mlx.Dtype, width int) *mlx.Slot {
		return g.NewSlot(g.Empty(d, blocks, a.KVHeads, form.blockTokens, width))
	}
	if form.bits == 16 {
		return side{data: slot(mlx.Float16, a.HeadDim)}, nil
	}
	group := mlxGroup(a.HeadDim)
	if group == 0 {
		return side{}, fmt.Errorf("KV of %d bits needs a head_dim that is a multiple of 32 on this device, and it is %d", form.bits, a.HeadDim)
	}
	return side{
		data: slot(mlx.Uint32, a.HeadDim*form.bits/32), scales: slot(mlx.Float16, a.HeadDim/group), biases: slot(mlx.Float16, a.HeadDim/group),
		quant: mlx.Quantization{GroupSize: group, Bits: form.bits},
	}, nil
}

// mlxGroup is how many numbers of a key share a scale in MLX's form, 0 if it has none.
func mlxGroup(headDim int) int {
	switch {
	case headDim%64 == 0:
		return 64
	case headDim%32 == 0:
		return 32
	}
	return 0
}

// slots lists the buffers of a side.
func (s *side) slots() []*mlx.Slot {
	if s.scales == nil {
		return []*mlx.Slot{s.data}
	}
	return []*mlx.Slot{s.data, s.scales, s.biases}
}

// all lists the buffers of the pool in the order of their parts of a block.
func (p *pool) all() []*mlx.Slot {
	var all []*mlx.Slot
	for i := range p.keys {
		all = append(append(all, p.keys[i].slots()...), p.values[i].slots()...)
	}
	return all
}

// intact reports an error if a failed step took a buffer with it. That does not
// happen to a step that was refused, only to one whose computation broke.
func (p *pool) intact() error {
	for _, s := range p.all() {
		if !s.Intact() {
			return errors.New("the KV pool was lost in a failed step; the engine must be made anew")
		}
	}
	return nil
}

// write stores one vector per token and head, x [tokens, heads, head_dim], at the token's place.
func (s *side) write(g *mlx.Graph, x mlx.Array, b *deviceBatch) {
	if s.scales == nil {
		scatter(g, s.data, g.AsType(x, mlx.Float16), b)
		return
	}
	words, scales, biases := g.Quantize(x, s.quant)
	scatter(g, s.data, words, b)
	scatter(g, s.scales, g.AsType(scales, mlx.Float16), b)
	scatter(g, s.biases, g.AsType(biases, mlx.Float16), b)
}

func scatter(g *mlx.Graph, s *mlx.Slot, x mlx.Array, b *deviceBatch) {
	shape := x.Shape()
	if shape == nil {
		return // the graph failed before
	}
	g.Scatter(s, g.Reshape(x, shape[0], 1, shape[1], 1, shape[2]), []int{0, 2}, b.block, b.slot)
}

// gather collects the blocks of each row of a group: [rows, kv_heads, keys, head_dim] of the given type.
func (s *side) gather(g *mlx.Graph, d *deviceGroup, blockTokens int, dtype mlx.Dtype) mlx.Array {
	data := d.collect(g, s.data, blockTokens)
	if s.scales == nil {
		return g.AsType(data, dtype)
	}
	scales, biases := d.collect(g, s.scales, blockTokens), d.collect(g, s.biases, blockTokens)
	return g.Dequantize(data, g.AsType(scales, dtype), g.AsType(biases, dtype), s.quant)
}

// collect is the blocks of each row: [rows, kv_heads, keys, width].
func (d *deviceGroup) collect(g *mlx.Graph, s *mlx.Slot, blockTokens int) mlx.Array {
	shape := s.Array().Shape() // [blocks, kv_heads, block_tokens, width]
	if shape == nil {
		return mlx.Array{}
	}
	rows, keys := len(d.ends), d.blocks*blockTokens
	x := g.Take(s.Array(), d.table, 0) // [rows, blocks, kv_heads, block_tokens, width]
	x = g.Reshape(g.Transpose(x, 0, 2, 1, 3, 4), rows, shape[1], keys, shape[3])
	if want := d.keys(blockTokens); want < keys {
		x = g.Slice(x, []int{0, 0, 0, 0}, []int{rows, shape[1], want, shape[3]})
	}
	return x
}

// tensors describes the contents of a block: for each layer its keys, then its values.
func (x *graph) tensors() []runtime.BlockTensor {
	var all []runtime.BlockTensor
	p := x.decoder.pool
	for i := range p.keys {
		for _, side := range []struct {
			name string
			of   *side
		}{{"keys", &p.keys[i]}, {"values", &p.values[i]}} {
			for j, s := range side.of.slots() {
				name := fmt.Sprintf("layers.%d.%s%s", i, side.name, []string{"", ".scales", ".biases"}[j])
				dtype := "F16"
				if s.Array().Dtype() == mlx.Uint32 {
					dtype = "U32"
				}
				all = append(all, runtime.BlockTensor{Name: name, DType: dtype, Shape: s.Array().Shape()[1:]})
			}
		}
	}
	return all
}

func (x *graph) readBlock(b runtime.BlockID, dst []byte) error {
	return x.eachSlot(b, dst, func(g *mlx.Graph, s *mlx.Slot, part []byte, start, stop []int) error {
		data, err := g.Bytes(g.Slice(s.Array(), start, stop))
		copy(part, data)
		return err
	})
}

func (x *graph) writeBlock(b runtime.BlockID, src []byte) error {
	return x.eachSlot(b, src, func(g *mlx.Graph, s *mlx.Slot, part []byte, start, stop []int) error {
		a := s.Array()
		g.SliceUpdate(s, g.FromBytes(part, a.Dtype(), append([]int{1}, stop[1:]...)...), start, stop)
		return g.Err()
	})
}

// eachSlot calls use on the engine's thread for each buffer of the pool, with the part of data
// and of the buffer that belong to the block.
func (x *graph) eachSlot(b runtime.BlockID, data []byte, use func(g *mlx.Graph, s *mlx.Slot, part []byte, start, stop []int) error) error {
	return x.thread.Do(func(c *mlx.Context) (err error) {
		g := c.NewGraph()
		defer func() { err = errors.Join(err, g.Close()) }()
		for _, s := range x.decoder.pool.all() {
			shape := s.Array().Shape()
			n := s.Array().Dtype().Size() * shape[1] * shape[2] * shape[3]
			start, stop := []int{int(b), 0, 0, 0}, []int{int(b) + 1, shape[1], shape[2], shape[3]}
			if err := use(g, s, data[:n:n], start, stop); err != nil {
				return err
			}
			data = data[n:]
		}
		return g.Eval()
	})
}

func (x *graph) numerics() string {
	return fmt.Sprintf("MLX operations on %v, %d-bit blocks [kv_heads, block_tokens, head_dim], 1", x.thread.Device(), x.decoder.pool.form.bits)
}
