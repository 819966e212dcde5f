package main

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
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
