package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/benchmarks/harness"
)

// spoken is an answer whose texts came at these seconds.
func spoken(tokens int, seconds ...int64) harness.Sample {
	s := harness.Sample{Status: 200, Usage: harness.Usage{Tokens: tokens}}
	for _, t := range seconds {
		s.Texts = append(s.Texts, time.Unix(t, 0))
	}
	return s
}

func TestRateIsTakenWhileAllSpeak(t *testing.T) {
	require.InDelta(t, 1, rate([]harness.Sample{spoken(4, 5, 6, 7, 8)}), 1e-9)
	// From 7, when the second began, until 8, when the first ended.
	require.InDelta(t, 2, rate([]harness.Sample{spoken(4, 5, 6, 7, 8), spoken(5, 7, 8, 9, 10, 11)}), 1e-9)
	// Tokens without text, half of them, count too.
	require.InDelta(t, 2, rate([]harness.Sample{spoken(7, 5, 6, 7, 8)}), 1e-9)
	require.LessOrEqual(t, rate([]harness.Sample{spoken(2, 5, 6), spoken(2, 7, 8)}), 0.0, "they never spoke together")
}

func TestPromptsAreNewAndOfTheirLength(t *testing.T) {
	r := &running{}
	a, b := r.job(512, 1), r.job(512, 1)
	require.Len(t, a.Prompt, 512)
	require.NotEqual(t, a.Prompt[0], b.Prompt[0])
	require.NotEqual(t, a.Agent, b.Agent)
}

func TestConcludeCountsWhatIsMissed(t *testing.T) {
	with := func(name string, decode float64) *running {
		r := &running{program: program{name: name}, figures: figures{}}
		for _, m := range measurements {
			r.figures[m] = []float64{decode, 2 * decode, decode / 2}
		}
		return r
	}
	var text strings.Builder
	require.Zero(t, conclude(&text, []*running{with(troupe, 120), with(llamaName, 100), with(mlxPlain, 2)}))
	require.NotContains(t, text.String(), "MISSED")
	require.Contains(t, text.String(), "60.00 x  (50 x must hold)")
	text.Reset()
	require.Equal(t, 4, conclude(&text, []*running{with(troupe, 119), with(llamaName, 100), with(mlxPlain, 2.4), with(mlxBest, 119)}))
	require.Contains(t, text.String(), "1.19 x  MISSED: 1.2 x must hold")
}

func TestMedian(t *testing.T) {
	require.Equal(t, 2.0, median([]float64{9, 2, 1}))
	require.Equal(t, 2.0, median([]float64{9, 2, 1, 3}))
}

func TestProgramsAreThoseThatAreThere(t *testing.T) {
	names := func(o options) (all []string) {
		for _, p := range programs("x", o) {
			all = append(all, p.name)
		}
		return all
	}
	require.Equal(t, []string{troupe}, names(options{}))
	require.Equal(t, []string{troupe, llamaName, mlxPlain, mlxBest}, names(options{llama: "a", python: "b", openblas: "c", slow: true}))
	require.Equal(t, []string{troupe, mlxBest}, names(options{python: "b", openblas: "c"}))
}
