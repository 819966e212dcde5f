package persistence_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

func ids(w *world) []string {
	list := []string{}
	for _, s := range w.d.List() {
		list = append(list, s.Agent)
	}
	return list
}

// crowd makes a store of agents of equal size, saved in the order of their names, and returns what one takes.
func crowd(t *testing.T, n int) (w *world, each int64) {
	w = prepare(t, 0)
	for _, id := range []string{"a", "b", "c", "e"} {
		require.NoError(t, w.d.Delete(id))
	}
	for i := range n {
		require.NoError(t, w.save(turn(fmt.Sprintf("%d", i), 0, 3, 0, i)))
	}
	require.Zero(t, w.d.Usage().Bytes%int64(n))
	return w, w.d.Usage().Bytes / int64(n)
}

func TestBudgetCollectsTheLongestUnused(t *testing.T) {
	w, each := crowd(t, 10)
	w.disk.restart()
	w.o.Budget = 10 * each
	require.NoError(t, w.open())
	require.Len(t, ids(w), 10, "it fits exactly")
	_, err := w.d.Manifest("0")
	require.NoError(t, err)
	require.NoError(t, w.save(turn("a", 0, 3, 0, 20)))
	require.Equal(t, []string{"0", "3", "4", "5", "6", "7", "8", "9", "a"}, ids(w), "0 was used, and a tenth is free now")
	require.EqualValues(t, 2, w.d.Usage().Collected)
	require.NoError(t, w.save(turn("b", 0, 3, 0, 21)))
	require.EqualValues(t, 2, w.d.Usage().Collected, "which is why this costs nobody")
	w.clean()
}

func TestBudgetHoldsAtStart(t *testing.T) {
	w, each := crowd(t, 10)
	w.disk.restart()
	w.o.Budget = 5*each - 1
	require.NoError(t, w.open())
	require.Equal(t, []string{"6", "7", "8", "9"}, ids(w))
	w.clean()
}

func TestPinnedAgentsAndTheOneThatIsSavedStay(t *testing.T) {
	w, each := crowd(t, 3)
	pinned := turn("0", 0, 3, 0, 0)
	pinned.Pinned = true
	require.NoError(t, w.save(pinned))
	w.disk.restart()
	w.o.Budget = 3 * each
	require.NoError(t, w.open())
	next := turn("1", 0, 4, 0, 1) // the oldest, but for the pinned one
	require.NoError(t, w.save(next))
	require.Equal(t, []string{"0", "1"}, ids(w))
	w.clean()

	err := w.save(turn("z", 0, 7, 0, 9))
	require.Equal(t, runtime.TooLarge, runtime.KindOf(err))
	require.Contains(t, ids(w), "0")
	got, err := w.load("0")
	require.NoError(t, err)
	require.Equal(t, &pinned, got)
	w.clean()
}

func TestSaveThatNeverFitsCostsNobody(t *testing.T) {
	w, each := crowd(t, 4)
	w.disk.restart()
	w.o.Budget = 4 * each
	require.NoError(t, w.open())
	err := w.save(turn("z", 0, 40, 0, 9))
	require.Equal(t, runtime.TooLarge, runtime.KindOf(err))
	require.Len(t, ids(w), 4)
	w.clean()
}

func TestSharedBlocksOutliveTheCollected(t *testing.T) {
	w := prepare(t, 0)
	total := w.d.Usage().Bytes
	w.disk.restart()
	w.o.Budget = total - 1
	require.NoError(t, w.open())
	require.NotContains(t, ids(w), "b")
	w.check()
	w.clean()
}

func TestCountOfBytesWrittenOutlivesTheProcess(t *testing.T) {
	w := prepare(t, 0)
	before := w.d.Usage().Written
	require.GreaterOrEqual(t, before, w.d.Usage().Bytes)
	w.disk.restart()
	require.NoError(t, w.open())
	// The count that was written down does not hold the bytes of that very file.
	require.InDelta(t, before, w.d.Usage().Written, 32)
	for _, id := range ids(w) {
		require.NoError(t, w.d.Delete(id))
	}
	w.disk.restart()
	require.NoError(t, w.open())
	require.InDelta(t, before, w.d.Usage().Written, 32, "what is gone was written too")
	m := turn("n", 0, 2, 0, 9)
	require.NoError(t, w.save(m))
	require.Greater(t, w.d.Usage().Written, before+w.d.Usage().Bytes-64)
}
