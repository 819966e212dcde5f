package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/benchmarks/harness"
)

func TestGapsAreSortedByWhenTheyBegan(t *testing.T) {
	at := func(ms ...int) (all []time.Time) {
		for _, n := range ms {
			all = append(all, time.UnixMilli(int64(n)))
		}
		return all
	}
	g := gapRun{target: 200 * time.Millisecond, slow: -1, calm: at(1000)[0], long: harness.Sample{Sent: at(1100)[0], Texts: at(2000)}}
	speaker := harness.Sample{Status: 200, Texts: at(0, 900, 1010, 1050, 1150, 1500, 1640, 1950, 2100, 2900)}
	require.NoError(t, g.compare([]harness.Sample{speaker}))
	ms := func(all ...int) (out []time.Duration) {
		for _, n := range all {
			out = append(out, time.Duration(n)*time.Millisecond)
		}
		return out
	}
	require.Equal(t, ms(40), g.before, "not what came before all spoke")
	require.Equal(t, ms(100, 140, 150, 310, 350), g.during, "all that touch its time")
	require.Equal(t, []lateText{{50 * time.Millisecond, 350 * time.Millisecond}, {540 * time.Millisecond, 310 * time.Millisecond}}, g.above)
	verdict := func() string {
		var r harness.Report
		g.report(&r)
		for _, row := range r.Rows {
			if row.Name == "gaps above it and a step of theirs" {
				return row.Value
			}
		}
		return ""
	}
	require.Equal(t, "2 above 240ms: MISSED", verdict())
	g.slow = 0
	require.Equal(t, "0 above 240ms: held", verdict(), "they were two tokens each")

	speaker.Texts = at(0, 900, 1900)
	require.ErrorContains(t, g.compare([]harness.Sample{speaker}), "ended early")
}

func TestMetricsAreRead(t *testing.T) {
	page := `# HELP troupe_step_rows Rows of a step.
# TYPE troupe_step_rows histogram
troupe_step_rows_bucket{le="8"} 40
troupe_step_rows_count 42
# TYPE troupe_engine_busy_seconds_total counter
troupe_engine_busy_seconds_total 1.5e+00
# TYPE vllm:inter_token_latency_seconds histogram
vllm:inter_token_latency_seconds_bucket{model_name="a b",le="0.15"} 90
vllm:inter_token_latency_seconds_bucket{model_name="a b",le="0.2"} 95
vllm:inter_token_latency_seconds_count{model_name="a b"} 100
`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(page)) }))
	defer s.Close()
	m, err := readMetrics(context.Background(), s.URL)
	require.NoError(t, err)
	require.Equal(t, 42, m.steps())
	require.Equal(t, 1500*time.Millisecond, m.busy())
	n, known := m.slower(200 * time.Millisecond)
	require.True(t, known)
	require.Equal(t, 5, n)
	_, known = m.slower(199 * time.Millisecond)
	require.False(t, known)
}
