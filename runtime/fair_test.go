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

// The order is one: whoever goes before others goes before those that they go before. And nobody gives way to one that would then give way to it.
func TestPlacesAreAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		owners := runtime.NewFair()
		var places []runtime.Place
		for i := range rapid.IntRange(3, 12).Draw(t, "requests") {
			owner := owners.Enter(rapid.SampledFrom([]string{"", "p", "q"}).Draw(t, "owner"))
			if owner.Inner == nil {
				owner.Inner = runtime.NewFair()
			}
			p := runtime.Place{
				ID: uint64(i), Owner: owner, Agent: owner.Inner.Enter(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "agent")),
				Class: runtime.Class(rapid.IntRange(0, 2).Draw(t, "class")), Paused: rapid.Bool().Draw(t, "paused"),
			}
			cost := float64(rapid.IntRange(0, 3).Draw(t, "used")) * 512
			owner.Inner.Charge(p.Agent, cost)
			owners.Charge(owner, cost)
			if rapid.Bool().Draw(t, "another runs") {
				p.Agent.Running++
				owner.Running++
			}
			places = append(places, p)
		}
		for _, a := range places {
			require.False(t, a.Before(a))
			for _, b := range places {
				if a.ID != b.ID {
					require.NotEqual(t, a.Before(b), b.Before(a), "%+v %+v", a, b)
				}
				for _, c := range places {
					if a.Before(b) && b.Before(c) {
						require.True(t, a.Before(c))
					}
				}
			}
		}
		i, j := rapid.IntRange(0, len(places)-1).Draw(t, "one"), rapid.IntRange(0, len(places)-1).Draw(t, "other")
		a, b := places[i], places[j]
		a.Agent.Running++ // a runs and b waits
		a.Owner.Running++
		a.Paused = false
		if i == j || !a.GivesWayTo(b) {
			return
		}
		a.Agent.Running--
		a.Owner.Running--
		b.Paused = false
		require.True(t, b.Before(a), "when both wait it is b's turn")
		a.Paused = true // as whoever gave way
		b.Agent.Running++
		b.Owner.Running++
		require.False(t, b.GivesWayTo(a), "and then not a's")
	})
}

func TestWhoGivesWay(t *testing.T) {
	owners := runtime.NewFair()
	enter := func(owner, agent string, class runtime.Class, running int) runtime.Place {
		o := owners.Enter(owner)
		if o.Inner == nil {
			o.Inner = runtime.NewFair()
		}
		a := o.Inner.Enter(agent)
		a.Running += running
		o.Running += running
		return runtime.Place{Owner: o, Agent: a, Class: class}
	}
	crowd, single := enter("", "crowd", runtime.Interactive, 3), enter("", "single", runtime.Interactive, 1)
	batch := enter("", "batch", runtime.Batch, 1)
	anew, newBatch, guest := enter("", "new", runtime.Interactive, 0), enter("", "new batch", runtime.Batch, 0), enter("guest", "x", runtime.Interactive, 0)
	require.True(t, crowd.GivesWayTo(anew))
	require.False(t, single.GivesWayTo(anew), "each has one")
	require.True(t, batch.GivesWayTo(anew))
	require.False(t, batch.GivesWayTo(newBatch))
	require.False(t, crowd.GivesWayTo(newBatch), "it is not its turn")
	require.True(t, single.GivesWayTo(guest), "its owner has four more")
	require.False(t, crowd.GivesWayTo(single), "that one runs already")
	require.False(t, crowd.GivesWayTo(crowd))
	owners.Charge(guest.Owner, 1e6)
	require.False(t, single.GivesWayTo(guest), "whose owner has had much more")
}

// Who has nothing that runs goes ahead of who has, unless it used much more.
func TestWhoAsksForLittleGoesFirst(t *testing.T) {
	f, owner := runtime.NewFair(), runtime.NewFair().Enter("")
	crowd := runtime.Place{ID: 1, Owner: owner, Agent: f.Enter("crowd")}
	ada := runtime.Place{ID: 2, Owner: owner, Agent: f.Enter("ada")}
	crowd.Agent.Running, owner.Running = 3, 3
	f.Charge(ada.Agent, 500)
	require.True(t, ada.Before(crowd))
	require.True(t, crowd.GivesWayTo(ada))
	f.Charge(ada.Agent, 500)
	require.False(t, ada.Before(crowd))
	require.False(t, crowd.GivesWayTo(ada))
}
