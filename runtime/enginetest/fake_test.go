package enginetest_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
	"troupe/runtime/enginetest"
)

func TestFakeKeepsTheContract(t *testing.T) {
	enginetest.Run(t, func(*testing.T) runtime.Engine { return enginetest.NewFake(enginetest.Options{}) })
}

func TestFakeReportsReadsOfWhatWasNeverWritten(t *testing.T) {
	f := enginetest.NewFake(enginetest.Options{})
	_, err := f.Step([]runtime.Row{{Blocks: []runtime.BlockID{3}, Start: 1, Tokens: []int32{1}, Want: 1}})
	require.ErrorContains(t, err, "never written")
}

func TestFakeReportsReadsOfWhatIsWritten(t *testing.T) {
	f := enginetest.NewFake(enginetest.Options{BlockTokens: 2})
	_, err := f.Step([]runtime.Row{{Blocks: []runtime.BlockID{3}, Tokens: []int32{1, 2}}})
	require.NoError(t, err)
	reads := runtime.Row{Blocks: []runtime.BlockID{3, 4}, Start: 2, Tokens: []int32{1}, Want: 1}
	_, err = f.Step([]runtime.Row{reads, {Blocks: []runtime.BlockID{3}, Start: 1, Tokens: []int32{2}}})
	require.EqualError(t, err, "fake engine: row 0 reads block 3 while row 1 writes to it")
	_, err = f.Step([]runtime.Row{reads, {Blocks: []runtime.BlockID{3, 5}, Start: 2, Tokens: []int32{2}}})
	require.NoError(t, err, "both read it")
}

func TestGreedyPredictsTheFake(t *testing.T) {
	f := enginetest.NewFake(enginetest.Options{})
	tokens := []int32{5, 6, 7}
	var got []int32
	start := 0
	for range 4 {
		res, err := f.Step([]runtime.Row{{Blocks: []runtime.BlockID{9}, Start: start, Tokens: tokens, Want: 1}})
		require.NoError(t, err)
		start += len(tokens)
		tokens = []int32{res[0].Top[0].ID}
		got = append(got, tokens[0])
	}
	require.Equal(t, enginetest.Greedy(64, []int32{5, 6, 7}, 4), got)
}

func TestFakeFailsWhenTold(t *testing.T) {
	bang := errors.New("bang")
	f := enginetest.NewFake(enginetest.Options{BeforeStep: func([]runtime.Row) error { return bang }})
	_, err := f.Step([]runtime.Row{{Blocks: []runtime.BlockID{0}, Tokens: []int32{1}}})
	require.ErrorIs(t, err, bang)
}
