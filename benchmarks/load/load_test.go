package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/mlx"
)

func TestMeanRows(t *testing.T) {
	require.Equal(t, 2.5, meanRows([]uint64{9: 0, 1: 1, 4: 1}))
	require.Zero(t, meanRows(nil))
}

func TestFakeModesMeasure(t *testing.T) {
	r, err := measureFake(context.Background(), options{agents: 6, tokens: 8, runs: 1})
	require.NoError(t, err)
	values := map[string]string{}
	for _, row := range r.Rows {
		values[row.Name] = row.Value
	}
	require.Equal(t, "6", values["answers, all status 200"])
	require.Regexp(t, `^\d+\.\d µs$`, values["CPU per token in all, run 1"])

	r, err = measureIdle(context.Background(), options{runs: 3})
	require.NoError(t, err)
	require.Len(t, r.Rows, 1)
}

func TestUnknownModeIsAnError(t *testing.T) {
	require.ErrorContains(t, measure(context.Background(), "guess", options{}), "guess")
}

func TestFewerBitsHoldMoreAgents(t *testing.T) {
	if err := mlx.Available(); err != nil {
		t.Skip(err)
	}
	agents := map[int]int{}
	for _, bits := range []int{16, 4} {
		n, length, err := fill(context.Background(), bits, 1<<20, 60)
		require.NoError(t, err)
		require.Greater(t, length, 60)
		agents[bits] = n
	}
	require.Positive(t, agents[16])
	require.Greater(t, agents[4], 3*agents[16])
}
