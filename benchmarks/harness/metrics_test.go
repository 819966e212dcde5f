package harness

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

func TestMetricsAreRead(t *testing.T) {
	page, status := `# HELP troupe_restores_total Agents read.
# TYPE troupe_restores_total counter
troupe_restores_total{model="a b"} 1.5e+00
troupe_restores_total{model="c"} 40
# TYPE troupe_step_rows histogram
troupe_step_rows_bucket{le="8"} 40
troupe_step_rows_bucket{le="+Inf"} 42
troupe_step_rows_sum 80
troupe_step_rows_count 42
`, http.StatusOK
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		require.Equal(t, "/metrics", r.URL.Path)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(page))
	}))
	defer s.Close()
	m, err := ReadMetrics(t.Context(), s.URL)
	require.NoError(t, err)
	for _, c := range []struct {
		name   string
		labels model.LabelSet
		sum    float64
		n      int
	}{
		{"troupe_restores_total", nil, 41.5, 2},
		{"troupe_restores_total", model.LabelSet{"model": "a b"}, 1.5, 1},
		{"troupe_restores_total", model.LabelSet{"model": "d"}, 0, 0},
		{"troupe_step_rows_count", nil, 42, 1},
		{"troupe_step_rows_bucket", model.LabelSet{"le": "8"}, 40, 1},
		{"troupe_restores", nil, 0, 0},
	} {
		sum, n := m.Sum(c.name, c.labels)
		require.Equal(t, c.sum, sum, c.name)
		require.Equal(t, c.n, n, c.name)
	}

	page = "troupe_restores_total many\n"
	_, err = ReadMetrics(t.Context(), s.URL)
	require.ErrorContains(t, err, "many")
	status = http.StatusServiceUnavailable
	_, err = ReadMetrics(t.Context(), s.URL)
	require.ErrorContains(t, err, "503")
}
