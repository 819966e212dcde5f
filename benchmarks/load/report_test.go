package main

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentileByNearestRank(t *testing.T) {
	sorted := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for p, want := range map[float64]time.Duration{0: 1, 0.05: 1, 0.1: 1, 0.11: 2, 0.5: 5, 0.51: 6, 0.99: 10, 1: 10} {
		require.Equal(t, want, percentile(sorted, p), "%g", p)
	}
	require.Zero(t, percentile(nil, 0.5))
}

func TestOneBadAnswerLeavesNoFigures(t *testing.T) {
	samples := []sample{{status: 200, tokens: 5, first: 2}, {status: 200, tokens: 5, first: 1, gaps: []time.Duration{4, 3}}}
	r, err := summarise(samples, time.Second)
	require.NoError(t, err)
	require.Equal(t, result{first: []time.Duration{1, 2}, gaps: []time.Duration{3, 4}, requests: 2, tokens: 10, took: time.Second}, r)

	r, err = summarise(append(samples, sample{status: 429, err: errors.New("busy")}), time.Second)
	require.ErrorContains(t, err, "statuses map[200:2 429:1], first error: busy")
	require.Zero(t, r)
	_, err = summarise(nil, time.Second)
	require.ErrorContains(t, err, "no tokens")
}

func TestFiguresAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 999: "999ns", 219123: "219.1µs", 1033456: "1.033ms", 921612345: "921.6ms", 4522123456: "4.522s"} {
		require.Equal(t, want, short(d).String())
	}
	require.Equal(t, "43.7 µs", perToken(437*time.Millisecond, 10000))
	require.Equal(t, 2.5, meanRows([]uint64{9: 0, 1: 1, 4: 1}))
	require.Zero(t, meanRows(nil))
}

func TestMachineSaysWhatElseRuns(t *testing.T) {
	require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d UTC, \d+ cores \(.+\), \w+/\w+, go1\..+, load average before .+$`, machine())
}

func TestProcessorTimeGrows(t *testing.T) {
	before := ownCPU()
	require.Positive(t, before)
	for ownCPU() < before+30*time.Millisecond { // work, so that the kernel's ticks see it too
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc")
	}
	used, err := processCPU(os.Getpid())
	require.NoError(t, err)
	require.InDelta(t, ownCPU().Seconds(), used.Seconds(), 0.1)
	_, err = processCPU(1 << 30)
	require.Error(t, err)
}

func TestFakeModesMeasure(t *testing.T) {
	r, err := measureFake(context.Background(), options{agents: 6, tokens: 8, runs: 1})
	require.NoError(t, err)
	values := map[string]string{}
	for _, row := range r.rows {
		values[row.name] = row.value
	}
	require.Equal(t, "6", values["answers, all status 200"])
	require.Regexp(t, `^\d+\.\d µs$`, values["CPU per token in all, run 1"])

	r, err = measureIdle(context.Background(), options{runs: 3})
	require.NoError(t, err)
	require.Len(t, r.rows, 1)
}

func TestUnknownModeIsAnError(t *testing.T) {
	require.ErrorContains(t, measure(context.Background(), "guess", options{}), "guess")
}
