package mlx

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// matMul is a [m, k] @ b [k, n] in float64.
func matMul(a, b []float64, m, k, n int) []float64 {
	out := make([]float64, m*n)
	for i := range m {
		for j := range n {
			for l := range k {
				out[i*n+j] += a[i*k+l] * b[l*n+j]
			}
		}
	}
	return out
}

func transposed(a []float64, rows, columns int) []float64 {
	out := make([]float64, len(a))
	for i := range rows {
		for j := range columns {
			out[j*rows+i] = a[i*columns+j]
		}
	}
	return out
}

func wide(values []float32) []float64 {
	return each(values, func(v float64) float64 { return v })
}

func TestMatMul(t *testing.T) {
	const m, k, n = 3, 17, 5
	a, b, c := random(1, m*k), random(2, k*n), random(3, n)
	want := matMul(wide(a), wide(b), m, k, n)
	with(t, func(_ *Context, g *Graph) {
		x, w := g.FromFloat32s(a, m, k), g.FromFloat32s(b, k, n)
		requireValues(t, g, g.MatMul(x, w), want, 1e-5)
		requireValues(t, g, g.MatMul(x, g.Transpose(g.FromFloat32s(b, k, n), 0, 1)), want, 1e-5)
		for i := range want {
			want[i] += float64(c[i%n])
		}
		requireValues(t, g, g.AddMM(g.FromFloat32s(c, n), x, w), want, 1e-5)
	})
}

// packed is an affine-quantised matrix made in Go: element i of a row is at bits
// [i*bits, (i+1)*bits) of the row, least significant first.
type packed struct {
	words         []uint32
	scales, bias  []float32
	values        []float64 // what it stands for
	rows, columns int
	q             Quantization
}

func pack(rows, columns int, q Quantization) packed {
	groups := columns / q.GroupSize
	p := packed{
		words: make([]uint32, rows*columns*q.Bits/32), scales: random(7, rows*groups), bias: random(8, rows*groups),
		rows: rows, columns: columns, q: q,
	}
	state := uint32(1)
	for i := range rows * columns {
		state = state*1664525 + 1013904223
		level := state >> (32 - q.Bits)
		for b := range q.Bits {
			at := i*q.Bits + b
			p.words[at/32] |= (level >> b & 1) << (at % 32)
		}
		group := i / q.GroupSize
		p.values = append(p.values, float64(p.scales[group])*float64(level)+float64(p.bias[group]))
	}
	return p
}

func (p packed) arrays(g *Graph) (w, scales, biases Array) {
	return g.FromUint32s(p.words, p.rows, p.columns*p.q.Bits/32),
		g.FromFloat32s(p.scales, p.rows, p.columns/p.q.GroupSize),
		g.FromFloat32s(p.bias, p.rows, p.columns/p.q.GroupSize)
}

func TestQuantized(t *testing.T) {
	const rows, columns, m = 6, 128, 3
	x := random(9, m*columns)
	y := random(10, m*rows)
	for _, group := range []int{32, 64, 128} {
		for _, bits := range []int{2, 3, 4, 5, 6, 8} {
			p := pack(rows, columns, Quantization{GroupSize: group, Bits: bits})
			with(t, func(_ *Context, g *Graph) {
				w, scales, biases := p.arrays(g)
				requireValues(t, g, g.Dequantize(w, scales, biases, p.q), p.values, 1e-5)

				in := g.FromFloat32s(x, m, columns)
				want := matMul(wide(x), transposed(p.values, rows, columns), m, columns, rows)
				requireValues(t, g, g.QuantizedMatMul(in, w, scales, biases, true, p.q), want, 1e-3)

				back := g.FromFloat32s(y, m, rows)
				want = matMul(wide(y), p.values, m, rows, columns)
				requireValues(t, g, g.QuantizedMatMul(back, w, scales, biases, false, p.q), want, 1e-3)
			})
		}
	}
}

func TestQuantizeInvertsWithinHalfAStep(t *testing.T) {
	const rows, columns = 4, 64
	x := random(11, rows*columns)
	q := Quantization{GroupSize: 64, Bits: 8}
	with(t, func(_ *Context, g *Graph) {
		w, scales, biases := g.Quantize(g.FromFloat32s(x, rows, columns), q)
		require.Equal(t, []int{rows, 16}, w.Shape())
		require.Equal(t, Uint32, w.Dtype())
		steps, err := g.Float32s(scales)
		require.NoError(t, err)
		got, err := g.Float32s(g.Dequantize(w, scales, biases, q))
		require.NoError(t, err)
		for i := range x {
			// MLX moves a scale a little so that zero or an end is exact.
			require.InDelta(t, x[i], got[i], math.Abs(float64(steps[i/columns])))
		}
	})
}

func TestNorms(t *testing.T) {
	const rows, columns, eps = 3, 20, 1e-5
	x, weight, bias := random(1, rows*columns), random(2, columns), random(3, columns)
	var rms, layer, plain []float64
	for i := range x {
		row := wide(x[i/columns*columns : i/columns*columns+columns])
		mean, squares := sum(row)/columns, 0.0
		variance := 0.0
		for _, v := range row {
			squares += v * v / columns
			variance += (v - mean) * (v - mean) / columns
		}
		w, b, v := float64(weight[i%columns]), float64(bias[i%columns]), float64(x[i])
		plain = append(plain, v/math.Sqrt(squares+eps))
		rms = append(rms, v/math.Sqrt(squares+eps)*w)
		layer = append(layer, (v-mean)/math.Sqrt(variance+eps)*w+b)
	}
	with(t, func(_ *Context, g *Graph) {
		a, w := g.FromFloat32s(x, rows, columns), g.FromFloat32s(weight, columns)
		requireValues(t, g, g.RMSNorm(a, w, eps), rms, 1e-5)
		requireValues(t, g, g.RMSNorm(a, Array{}, eps), plain, 1e-5)
		requireValues(t, g, g.LayerNorm(a, w, g.FromFloat32s(bias, columns), eps), layer, 1e-5)
	})
}

func TestRoPE(t *testing.T) {
	const batch, heads, tokens, dim, dims = 2, 2, 3, 10, 8
	x := random(1, batch*heads*tokens*dim)
	offsets := []int32{5, 1000}
	freqs := []float32{1, 3, 9, 27}
	cases := map[string]RoPE{
		"base":        {Dims: dims, Base: 10000},
		"traditional": {Dims: dims, Base: 500, Traditional: true},
		"scale":       {Dims: dims, Base: 10000, Scale: 0.25},
	}
	angle := func(r RoPE, position float64, i int) float64 {
		if r.Scale != 0 {
			position *= r.Scale
		}
		if r.Base == 0 {
			return position / float64(freqs[i])
		}
		return position * math.Pow(r.Base, -2*float64(i)/dims)
	}
	rotate := func(r RoPE, offsets []int32) []float64 {
		out := wide(x)
		for at := 0; at < len(out); at += dim {
			token := at / dim % tokens
			position := float64(int(offsets[at/(dim*tokens*heads)%len(offsets)]) + token)
			for i := range dims / 2 {
				a, b := at+i, at+i+dims/2
				if r.Traditional {
					a, b = at+2*i, at+2*i+1
				}
				sin, cos := math.Sincos(angle(r, position, i))
				out[a], out[b] = float64(x[a])*cos-float64(x[b])*sin, float64(x[a])*sin+float64(x[b])*cos
			}
		}
		return out
	}
	with(t, func(_ *Context, g *Graph) {
		a := g.FromFloat32s(x, batch, heads, tokens, dim)
		cases["freqs"] = RoPE{Dims: dims, Freqs: g.FromFloat32s(freqs, dims/2)}
		for name, r := range cases {
			// float32 angles near 1000 are off by up to 6e-5.
			got := g.RoPE(a, g.FromInt32s(offsets, batch), r)
			require.NoError(t, g.Err(), name)
			requireValues(t, g, got, rotate(r, offsets), 3e-4)
			requireValues(t, g, g.RoPE(a, g.FromInt32s([]int32{7}, 1), r), rotate(r, []int32{7}), 1e-5)
		}
	})
}

func TestAttention(t *testing.T) {
	const batch, heads, kvHeads, queries, keys, dim = 2, 4, 2, 3, 5, 8
	q := random(1, batch*heads*queries*dim)
	k, v := random(2, batch*kvHeads*keys*dim), random(3, batch*kvHeads*keys*dim)
	sinks := random(4, heads)
	seen := make([]bool, batch*queries*keys)
	for i := range seen {
		seen[i] = i%3 != 1
	}
	const scale = 0.3
	// reference: visible tells whether query i of row b sees key j.
	reference := func(visible func(b, i, j int) bool, sinks []float32) []float64 {
		var out []float64
		for row := range batch * heads * queries {
			b, h, i := row/(heads*queries), row/queries%heads, row%queries
			kv := (b*kvHeads + h/(heads/kvHeads)) * keys * dim
			total, mixed := 0.0, make([]float64, dim)
			if sinks != nil {
				total = math.Exp(float64(sinks[h]))
			}
			for j := range keys {
				if !visible(b, i, j) {
					continue
				}
				dot := 0.0
				for d := range dim {
					dot += float64(q[row*dim+d]) * float64(k[kv+j*dim+d])
				}
				weight := math.Exp(scale * dot)
				total += weight
				for d := range dim {
					mixed[d] += weight * float64(v[kv+j*dim+d])
				}
			}
			for _, m := range mixed {
				out = append(out, m/total)
			}
		}
		return out
	}
	all := func(b, i, j int) bool { return true }
	causal := func(b, i, j int) bool { return j <= i+keys-queries }
	masked := func(b, i, j int) bool { return seen[(b*queries+i)*keys+j] }
	with(t, func(_ *Context, g *Graph) {
		attend := func(a Attention) Array {
			a.Scale = scale
			return g.Attention(g.FromFloat32s(q, batch, heads, queries, dim),
				g.FromFloat32s(k, batch, kvHeads, keys, dim), g.FromFloat32s(v, batch, kvHeads, keys, dim), a)
		}
		mask := g.FromBools(seen, batch, 1, queries, keys)
		added := g.Where(mask, g.Scalar(0, Float32), g.Scalar(-1e9, Float32))
		requireValues(t, g, attend(Attention{}), reference(all, nil), 1e-5)
		requireValues(t, g, attend(Attention{Causal: true}), reference(causal, nil), 1e-5)
		requireValues(t, g, attend(Attention{Mask: mask}), reference(masked, nil), 1e-5)
		requireValues(t, g, attend(Attention{Mask: added}), reference(masked, nil), 1e-5)
		requireValues(t, g, attend(Attention{Sinks: g.FromFloat32s(sinks, heads)}), reference(all, sinks), 1e-5)

		attend(Attention{Causal: true, Mask: mask})
		require.ErrorContains(t, g.Err(), "causal excludes a mask")
	})
}
