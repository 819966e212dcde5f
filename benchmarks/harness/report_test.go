package harness

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPercentileByNearestRank(t *testing.T) {
	sorted := []time.Duration{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for p, want := range map[float64]time.Duration{0: 1, 0.05: 1, 0.1: 1, 0.11: 2, 0.5: 5, 0.51: 6, 0.99: 10, 1: 10} {
		require.Equal(t, want, Percentile(sorted, p), "%g", p)
	}
	require.Zero(t, Percentile(nil, 0.5))
}

func TestOneBadAnswerLeavesNoFigures(t *testing.T) {
	at := func(d time.Duration) time.Time { return time.Unix(0, int64(d)) }
	samples := []Sample{
		{Status: 200, Usage: Usage{Tokens: 5}, Sent: at(7), Texts: []time.Time{at(9)}},
		{Status: 200, Usage: Usage{Tokens: 5}, Sent: at(7), Texts: []time.Time{at(8), at(12), at(15)}},
	}
	r, err := Summarise(samples, time.Second)
	require.NoError(t, err)
	require.Equal(t, Result{First: []time.Duration{1, 2}, Gaps: []time.Duration{3, 4}, Requests: 2, Tokens: 10, Took: time.Second}, r)

	r, err = Summarise(append(samples, Sample{Status: 429, Err: errors.New("busy")}), time.Second)
	require.ErrorContains(t, err, "statuses map[200:2 429:1], first error: busy")
	require.Zero(t, r)
	_, err = Summarise(nil, time.Second)
	require.ErrorContains(t, err, "nothing was asked")
}

func TestFiguresAreShort(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 999: "999ns", 219123: "219.1µs", 1033456: "1.033ms", 921612345: "921.6ms", 4522123456: "4.522s"} {
		require.Equal(t, want, Short(d).String())
	}
	require.Equal(t, "43.7 µs", PerToken(437*time.Millisecond, 10000))
}

func TestMachineSaysWhatElseRuns(t *testing.T) {
	require.Regexp(t, `^\d{4}-\d\d-\d\d \d\d:\d\d UTC, \d+ cores \(.+\), \w+/\w+, go1\..+, load average before .+$`, Machine())
}

func TestProcessorTimeGrows(t *testing.T) {
	before := OwnCPU()
	require.Positive(t, before)
	for OwnCPU() < before+30*time.Millisecond { // work, so that the kernel's ticks see it too
	}
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("no /proc")
	}
	used, err := ProcessCPU(os.Getpid())
	require.NoError(t, err)
	require.InDelta(t, OwnCPU().Seconds(), used.Seconds(), 0.1)
	_, err = ProcessCPU(1 << 30)
	require.Error(t, err)
	memory, err := ProcessMemory(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, memory, int64(1<<20))
	_, err = ProcessMemory(1 << 30)
	require.Error(t, err)
	require.Positive(t, ReadTicks().All)
}

func TestStolenTime(t *testing.T) {
	require.Equal(t, 0.25, Ticks{Stolen: 30, All: 200}.StolenSince(Ticks{Stolen: 5, All: 100}))
	require.Zero(t, Ticks{}.StolenSince(Ticks{}))
}
