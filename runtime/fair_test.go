package runtime_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

func TestClassesHaveNames(t *testing.T) {
	for _, c := range []runtime.Class{runtime.Interactive, runtime.SubAgent, runtime.Batch} {
		got, err := runtime.ParseClass(c.String())
		require.NoError(t, err)
		require.Equal(t, c, got)
	}
	_, err := runtime.ParseClass("urgent")
	require.Error(t, err)
	require.Less(t, runtime.Interactive.Price(), runtime.SubAgent.Price())
	require.Less(t, runtime.SubAgent.Price(), runtime.Batch.Price())
}

// Parties that always want more get shares in the inverse ratio of their prices, to within one serving each.
func TestFairShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := runtime.NewFair()
		prices := rapid.SliceOfN(rapid.SampledFrom([]float64{1, 2, 8}), 2, 8).Draw(t, "prices")
		parties := make([]*runtime.Party, len(prices))
		got := make([]float64, len(prices))
		for i := range parties {
			parties[i] = f.Enter(fmt.Sprint(i))
		}
		for range rapid.IntRange(1, 300).Draw(t, "servings") {
			next := 0
			for i, p := range parties {
				if p.Used() < parties[next].Used() {
					next = i
				}
			}
			n := float64(rapid.IntRange(1, 100).Draw(t, "tokens"))
			f.Charge(parties[next], n*prices[next])
			got[next] += n
		}
		for i := range got {
			for j := range got {
				require.LessOrEqual(t, got[i]*prices[i]-got[j]*prices[j], 100*prices[i], "%v at %v", got, prices)
			}
		}
	})
}

// Who was away has saved nothing up, and owes what it owed.
func TestFairForgetsNoDebtsAndNoRights(t *testing.T) {
	f := runtime.NewFair()
	a, b := f.Enter("a"), f.Enter("b")
	f.Charge(a, 100) // the clock is at 50
	f.Leave(b)
	require.Equal(t, 1, f.Active())
	f.Charge(a, 100) // and now at 150
	b = f.Enter("b")
	require.Equal(t, 150.0, b.Used())
	f.Leave(a)
	require.Equal(t, 200.0, f.Enter("a").Used())
	require.Panics(t, func() { p := f.Enter("c"); f.Leave(p); f.Leave(p) })
	for i := range 10_000 {
		p := f.Enter(fmt.Sprint("guest ", i))
		f.Charge(b, 100)
		f.Leave(p)
	}
	require.Less(t, f.Known(), 200, "those that owe nothing are forgotten")
}
