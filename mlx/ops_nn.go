package mlx

// MatMul multiplies matrices over the last two axes and broadcasts the others.
// 16-bit inputs accumulate in float32 and round at the end.
func (g *Graph) MatMul(a, b Array) Array { return g.apply2(opMatmul, a, b) }

// AddMM returns c + a @ b.
func (g *Graph) AddMM(c, a, b Array) Array {
	if !g.begin(c, a, b) {
		return Array{}
	}
	return g.one(opAddmm)
}

// Quantization is the form of an affine-quantised matrix: w = scale*q + bias
// with one scale and bias for each group of the last axis.
type Quantization struct {
	GroupSize int // 32, 64 or 128
	Bits      int // 2, 3, 4, 5, 6 or 8
}

// Quantize packs w [out, in] into Uint32 words [out, in*bits/32] and scales and
// biases [out, in/group] in the type of w.
func (g *Graph) Quantize(w Array, q Quantization) (packed, scales, biases Array) {
	if !g.begin(w) {
		return Array{}, Array{}, Array{}
	}
	g.int(q.GroupSize, q.Bits)
	out := g.end(opQuantize, 3)
	if out == nil {
		return Array{}, Array{}, Array{}
	}
	return Array{g, out[0]}, Array{g, out[1]}, Array{g, out[2]}
}

// QuantizedMatMul returns x @ w^T (transpose) or x @ w for a quantised w. The
// CPU sums in the type of x, so x should be Float32 there, and scales and
// biases too: other types are converted on every call.
func (g *Graph) QuantizedMatMul(x, w, scales, biases Array, transpose bool, q Quantization) Array {
	if !g.begin(x, w, scales, biases) {
		return Array{}
	}
	g.bool(transpose)
	g.int(q.GroupSize, q.Bits)
	return g.one(opQuantizedMatmul)
}

// Dequantize unpacks a quantised matrix in the type of scales. Take on w, scales and
// biases followed by Dequantize is how a quantised embedding is read.
func (g *Graph) Dequantize(w, scales, biases Array, q Quantization) Array {
	if !g.begin(w, scales, biases) {
		return Array{}
	}
	g.int(q.GroupSize, q.Bits)
	return g.one(opDequantize)
}

// RMSNorm returns x / sqrt(mean(x^2) + eps) * weight over the last axis. A null
// weight is 1.
func (g *Graph) RMSNorm(x, weight Array, eps float64) Array {
	if !g.begin(x, weight) {
		return Array{}
	}
	g.floats = append(g.floats, eps)
	return g.one(opRmsNorm)
}

// LayerNorm normalises the last axis to mean 0 and variance 1, then applies
// weight and bias, each of which may be null.
func (g *Graph) LayerNorm(x, weight, bias Array, eps float64) Array {
	if !g.begin(x, weight, bias) {
		return Array{}
	}
	g.floats = append(g.floats, eps)
	return g.one(opLayerNorm)
}

// RoPE is a rotary position embedding. Either Base or Freqs gives the angles:
// position * Scale * Base^(-2i/Dims), or position * Scale / Freqs[i] with Freqs
// an array [Dims/2].
type RoPE struct {
	Dims        int  // how many of the last axis are rotated, from the start
	Traditional bool // pairs (0,1), (2,3) …, not (0, Dims/2), (1, Dims/2+1) …
	Base        float64
	Freqs       Array
	Scale       float64 // 1 unless positions are interpolated; 0 is taken as 1
}

// RoPE rotates x [B, H, T, D], where token t of row b is at position
// offset[b]+t. offset is Int32 of one element or of B.
func (g *Graph) RoPE(x, offset Array, r RoPE) Array {
	if !g.begin(x, offset, r.Freqs) {
		return Array{}
	}
	scale := r.Scale
	if scale == 0 {
		scale = 1
	}
	g.int(r.Dims)
	g.bool(r.Traditional)
	g.floats = append(g.floats, r.Base, scale)
	return g.one(opRope)
}

// Attention is what [Graph.Attention] needs beside queries, keys and values.
type Attention struct {
	Scale float64
	// Causal lets query i of Tq see the keys up to i + Tk - Tq. It excludes Mask.
	Causal bool
	// Mask is Bool (true is seen) or is added to the scores; it broadcasts to
	// [B, Hq, Tq, Tk]. Null is no mask.
	Mask Array
	// Sinks [Hq] are logits that take part in the softmax only. Null is none.
	Sinks Array
}

// Attention returns softmax(Scale * q @ k^T + mask) @ v for q [B, Hq, Tq, D],
// k [B, Hkv, Tk, D] and v [B, Hkv, Tk, Dv], where Hkv divides Hq (do not repeat
// keys and values).
func (g *Graph) Attention(q, k, v Array, a Attention) Array {
	if !g.begin(q, k, v, a.Mask, a.Sinks) {
		return Array{}
	}
	g.bool(a.Causal)
	g.floats = append(g.floats, a.Scale)
	return g.one(opAttention)
}
