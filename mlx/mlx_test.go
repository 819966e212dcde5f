package mlx

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start opens a CPU thread for a test and closes it afterwards.
func start(t *testing.T) *Thread {
	t.Helper()
	if err := Available(); err != nil {
		t.Skip(err)
	}
	thread, err := Start(Options{Device: CPU})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, thread.Close()) })
	return thread
}

// with runs fn on a thread of its own with a graph that is closed afterwards.
func with(t *testing.T, fn func(c *Context, g *Graph)) {
	t.Helper()
	require.NoError(t, start(t).Do(func(c *Context) error {
		g := c.NewGraph()
		fn(c, g)
		return g.Close()
	}))
}

// random returns n normally distributed numbers, the same ones for a seed.
func random(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	values := make([]float32, n)
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	return values
}

// requireValues compares an array with numbers computed in Go, in float64.
func requireValues(t *testing.T, g *Graph, a Array, want []float64, tolerance float64) {
	t.Helper()
	got, err := g.Float32s(a)
	require.NoError(t, err)
	require.Len(t, got, len(want))
	for i := range want {
		if math.IsInf(want[i], 0) || math.IsNaN(want[i]) {
			require.Equalf(t, float32(want[i]), got[i], "element %d", i)
			continue
		}
		require.InDeltaf(t, want[i], got[i], tolerance*max(1, math.Abs(want[i])), "element %d", i)
	}
}

// each applies f to every number.
func each(values []float32, f func(float64) float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = f(float64(v))
	}
	return out
}
