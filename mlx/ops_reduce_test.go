package mlx

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// reduceRows applies f to each row of a matrix.
func reduceRows(values []float32, columns int, f func([]float64) float64) []float64 {
	var out []float64
	for row := range slices.Chunk(values, columns) {
		out = append(out, f(each(row, func(v float64) float64 { return v })))
	}
	return out
}

func sum(row []float64) float64 {
	total := 0.0
	for _, v := range row {
		total += v
	}
	return total
}

func logSumExp(row []float64) float64 {
	most, total := slices.Max(row), 0.0
	for _, v := range row {
		total += math.Exp(v - most)
	}
	return most + math.Log(total)
}

func TestReductions(t *testing.T) {
	const rows, columns = 4, 33
	x := random(3, rows*columns)
	x[5] += 90 // exp overflows float32 without the subtraction of the maximum
	cases := []struct {
		name string
		op   func(g *Graph, a Array, axis int, keep bool) Array
		want func([]float64) float64
	}{
		{"sum", (*Graph).Sum, sum},
		{"mean", (*Graph).Mean, func(row []float64) float64 { return sum(row) / columns }},
		{"max", (*Graph).Max, slices.Max[[]float64]},
		{"min", (*Graph).Min, slices.Min[[]float64]},
		{"argmax", (*Graph).ArgMax, func(row []float64) float64 {
			return float64(slices.Index(row, slices.Max(row)))
		}},
		{"logsumexp", (*Graph).LogSumExp, logSumExp},
	}
	with(t, func(_ *Context, g *Graph) {
		a := g.FromFloat32s(x, rows, columns)
		for _, c := range cases {
			require.Equal(t, []int{rows}, c.op(g, a, -1, false).Shape(), c.name)
			require.Equal(t, []int{rows, 1}, c.op(g, a, 1, true).Shape(), c.name)
			requireValues(t, g, c.op(g, a, 1, false), reduceRows(x, columns, c.want), 1e-5)
		}
		require.Equal(t, Uint32, g.ArgMax(a, 1, false).Dtype())
		requireValues(t, g, g.Sum(counting(g, 2, 3), 0, false), []float64{3, 5, 7}, 0)
	})
}

func TestArgMaxTakesTheFirstOfEqual(t *testing.T) {
	with(t, func(_ *Context, g *Graph) {
		a := g.FromFloat32s([]float32{1, 5, 5, 2, 7, 7, 0, 7}, 2, 4)
		requireValues(t, g, g.ArgMax(a, 1, false), []float64{1, 0}, 0)
	})
}

func TestSoftmaxAndCumSum(t *testing.T) {
	const columns = 50
	x := random(4, 2*columns)
	x[0] = 200
	x[columns] = float32(math.Inf(-1)) // a masked entry
	var softmax, running []float64
	for row := range slices.Chunk(x, columns) {
		wide := each(row, func(v float64) float64 { return v })
		norm, total := logSumExp(wide), 0.0
		for _, v := range wide {
			softmax = append(softmax, math.Exp(v-norm))
			total += v
			running = append(running, total)
		}
	}
	with(t, func(_ *Context, g *Graph) {
		a := g.FromFloat32s(x, 2, columns)
		requireValues(t, g, g.Softmax(a, -1), softmax, 1e-6)
		requireValues(t, g, g.CumSum(a, -1), running, 1e-5)
	})
}

func TestSorting(t *testing.T) {
	const columns, k = 40, 7
	x := random(5, 2*columns)
	var sorted, order, greatest, where []float64
	for row := range slices.Chunk(x, columns) {
		index := make([]int, columns)
		for i := range index {
			index[i] = i
		}
		slices.SortFunc(index, func(i, j int) int {
			if row[i] < row[j] {
				return -1
			}
			return 1
		})
		for i, at := range index {
			sorted = append(sorted, float64(row[at]))
			order = append(order, float64(at))
			if i < k {
				top := index[columns-1-i]
				greatest = append(greatest, float64(row[top]))
				where = append(where, float64(top))
			}
		}
	}
	with(t, func(_ *Context, g *Graph) {
		a := g.FromFloat32s(x, 2, columns)
		requireValues(t, g, g.Sort(a, 1), sorted, 0)
		requireValues(t, g, g.ArgSort(a, 1), order, 0)

		values, indices := g.TopK(a, k)
		requireValues(t, g, values, greatest, 0)
		requireValues(t, g, indices, where, 0)

		all, _ := g.TopK(a, columns)
		slices.Reverse(sorted[:columns])
		slices.Reverse(sorted[columns:])
		requireValues(t, g, all, sorted, 0)

		partition, err := g.Int32s(g.ArgPartition(a, k, 1))
		require.NoError(t, err)
		for r, row := range slices.Collect(slices.Chunk(partition, columns)) {
			pivot := x[r*columns+int(row[k])]
			for i, at := range row {
				require.Equal(t, i < k, x[r*columns+int(at)] < pivot, "row %d, entry %d", r, i)
			}
		}
	})
}

func TestTopKRefusesBadK(t *testing.T) {
	for _, k := range []int{0, -1, 5} {
		with(t, func(_ *Context, g *Graph) {
			values, indices := g.TopK(g.Zeros(Float32, 2, 4), k)
			require.False(t, values.Valid() || indices.Valid())
			require.ErrorContains(t, g.Err(), "1 <= k <= V")
		})
	}
}
