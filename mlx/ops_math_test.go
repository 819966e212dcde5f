package mlx

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func TestUnary(t *testing.T) {
	x := random(1, 60)
	positive := make([]float32, len(x))
	for i, v := range x {
		positive[i] = v*v + 0.01
	}
	gelu := func(x float64) float64 {
		return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
	}
	cases := []struct {
		name string
		op   func(*Graph, Array) Array
		want func(float64) float64
		in   []float32
	}{
		{"neg", (*Graph).Neg, func(x float64) float64 { return -x }, x},
		{"sigmoid", (*Graph).Sigmoid, sigmoid, x},
		{"silu", (*Graph).SiLU, func(x float64) float64 { return x * sigmoid(x) }, x},
		{"gelu", (*Graph).GELUTanh, gelu, x},
		{"tanh", (*Graph).Tanh, math.Tanh, x},
		{"exp", (*Graph).Exp, math.Exp, x},
		{"log", (*Graph).Log, math.Log, positive},
		{"erf", (*Graph).Erf, math.Erf, x},
		{"square", (*Graph).Square, func(x float64) float64 { return x * x }, x},
		{"sqrt", (*Graph).Sqrt, math.Sqrt, positive},
		{"rsqrt", (*Graph).Rsqrt, func(x float64) float64 { return 1 / math.Sqrt(x) }, positive},
		{"sin", (*Graph).Sin, math.Sin, x},
		{"cos", (*Graph).Cos, math.Cos, x},
		{"add scalar", func(g *Graph, a Array) Array { return g.AddScalar(a, 2.5) },
			func(x float64) float64 { return x + 2.5 }, x},
		{"mul scalar", func(g *Graph, a Array) Array { return g.MulScalar(a, -3) },
			func(x float64) float64 { return -3 * x }, x},
		{"clip", func(g *Graph, a Array) Array { return g.Clip(a, -0.5, 1) },
			func(x float64) float64 { return min(max(x, -0.5), 1) }, x},
	}
	with(t, func(_ *Context, g *Graph) {
		for _, c := range cases {
			got := c.op(g, g.FromFloat32s(c.in, 3, 4, 5))
			require.Equal(t, []int{3, 4, 5}, got.Shape(), c.name)
			requireValues(t, g, got, each(c.in, c.want), 1e-5)
		}
	})
}

func TestBinaryBroadcasts(t *testing.T) {
	const rows, columns = 3, 4
	a, b := random(1, rows*columns), random(2, columns)
	b[1] = a[1] // so that the comparisons meet an equal pair
	truth := func(v bool) float64 {
		if v {
			return 1
		}
		return 0
	}
	cases := []struct {
		name string
		op   func(g *Graph, a, b Array) Array
		want func(a, b float64) float64
		bool bool
	}{
		{"add", (*Graph).Add, func(a, b float64) float64 { return a + b }, false},
		{"sub", (*Graph).Sub, func(a, b float64) float64 { return a - b }, false},
		{"mul", (*Graph).Mul, func(a, b float64) float64 { return a * b }, false},
		{"div", (*Graph).Div, func(a, b float64) float64 { return a / b }, false},
		{"maximum", (*Graph).Maximum, math.Max, false},
		{"minimum", (*Graph).Minimum, math.Min, false},
		{"equal", (*Graph).Equal, func(a, b float64) float64 { return truth(a == b) }, true},
		{"less", (*Graph).Less, func(a, b float64) float64 { return truth(a < b) }, true},
		{"less equal", (*Graph).LessEqual, func(a, b float64) float64 { return truth(a <= b) }, true},
		{"greater", (*Graph).Greater, func(a, b float64) float64 { return truth(a > b) }, true},
		{"greater equal", (*Graph).GreaterEqual, func(a, b float64) float64 { return truth(a >= b) }, true},
	}
	with(t, func(_ *Context, g *Graph) {
		x, y := g.FromFloat32s(a, rows, columns), g.FromFloat32s(b, columns)
		for _, c := range cases {
			want := make([]float64, len(a))
			for i := range want {
				want[i] = c.want(float64(a[i]), float64(b[i%columns]))
			}
			got := c.op(g, x, y)
			require.Equal(t, c.bool, got.Dtype() == Bool, c.name)
			requireValues(t, g, got, want, 1e-5)
		}
	})
}

func TestLogicAndWhere(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		a := g.FromBools([]bool{true, true, false, false}, 4)
		b := g.FromBools([]bool{true, false, true, false}, 4)
		requireValues(t, g, g.And(a, b), []float64{1, 0, 0, 0}, 0)
		requireValues(t, g, g.Or(a, b), []float64{1, 1, 1, 0}, 0)
		picked := g.Where(a, g.Scalar(7, Float32), g.FromFloat32s([]float32{1, 2, 3, 4}, 4))
		requireValues(t, g, picked, []float64{7, 7, 3, 4}, 0)
	})
}

func TestAsTypeRounds(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		a := g.FromFloat32s([]float32{1, 1.00390625, -2.5, 3.99}, 4)
		b := g.AsType(a, BFloat16)
		require.Equal(t, BFloat16, b.Dtype())
		requireValues(t, g, b, []float64{1, 1, -2.5, 3.984375}, 0) // 8 bits of mantissa, ties to even
		ints, err := g.Int32s(a)
		require.NoError(t, err)
		require.Equal(t, []int32{1, 1, -2, 3}, ints)
	})
}

func TestScalarsKeepTheType(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		for _, d := range []Dtype{Float16, BFloat16, Float32} {
			a := g.Full(1, d, 2)
			require.Equal(t, d, g.AddScalar(a, 1).Dtype())
			require.Equal(t, d, g.MulScalar(a, 2).Dtype())
			require.Equal(t, d, g.Clip(a, 0, 1).Dtype())
			require.Equal(t, d, g.GELUTanh(a).Dtype())
			require.Equal(t, d, g.SiLU(a).Dtype())
		}
	})
}
