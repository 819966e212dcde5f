package http

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"troupe/actors"
	"troupe/runtime/enginetest"
)

// query is a PromQL expression of a file of cmd/deploy.
type query struct{ where, expr string }

func dashboardQueries(t *testing.T) (queries []query) {
	t.Helper()
	text, err := os.ReadFile("../cmd/deploy/grafana/troupe.json")
	require.NoError(t, err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(text, &dashboard))
	for _, p := range dashboard.Panels {
		if p.Type != "row" {
			require.NotEmpty(t, p.Targets, p.Title)
		}
		for _, target := range p.Targets {
			// Grafana's variables, as it would fill them in.
			expr := strings.NewReplacer("$__rate_interval", "1m", "$instance", ".*").Replace(target.Expr)
			require.NotContains(t, expr, "$", p.Title)
			queries = append(queries, query{"panel " + p.Title, expr})
		}
	}
	return queries
}

func alertQueries(t *testing.T) (queries []query) {
	t.Helper()
	text, err := os.ReadFile("../cmd/deploy/prometheus/alerts.yml")
	require.NoError(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert       string
				Expr        string
				For         string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	require.NoError(t, yaml.Unmarshal(text, &rules))
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			require.Contains(t, []string{"warning", "critical"}, r.Labels["severity"], r.Alert)
			require.NotEmpty(t, r.Annotations["summary"], r.Alert)
			require.NotEmpty(t, r.Annotations["description"], r.Alert)
			queries = append(queries, query{"alert " + r.Alert, r.Expr})
		}
	}
	return queries
}

// TestDashboardAndAlertsAskForWhatExists runs a server through everything that has a metric, and holds the queries against it.
func TestDashboardAndAlertsAskForWhatExists(t *testing.T) {
	h := live(t, Config{}, enginetest.Options{}, actors.Config{})
	v := *h.service.Load()
	v.agents = newCast("ada")
	h.attach(&v)
	for range 2 {
		require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", anthropicBody(""), "x-agent-id", "ada").status)
	}
	require.Equal(t, http.StatusNotFound, h.get(t, "/nowhere").status)
	families, err := h.metrics.registry.Gather()
	require.NoError(t, err)
	known := map[string]*dto.MetricFamily{}
	for _, f := range families {
		known[f.GetName()] = f
		if f.GetType() == dto.MetricType_HISTOGRAM {
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				known[f.GetName()+suffix] = f
			}
			delete(known, f.GetName()) // has no samples of that name
		}
	}
	queries := slices.Concat(dashboardQueries(t), alertQueries(t))
	require.Greater(t, len(queries), 40)
	for _, q := range queries {
		e, err := metricsql.Parse(q.expr)
		require.NoError(t, err, "%s: %s", q.where, q.expr)
		metricsql.VisitAll(e, func(e metricsql.Expr) {
			m, ok := e.(*metricsql.MetricExpr)
			if !ok {
				return
			}
			for _, filters := range m.LabelFilterss {
				checkSelector(t, q, known, filters)
			}
		})
	}
}

// checkSelector checks one metric and its labels. Prometheus itself adds up, job and instance.
func checkSelector(t *testing.T, q query, known map[string]*dto.MetricFamily, filters []metricsql.LabelFilter) {
	t.Helper()
	require.Equal(t, "__name__", filters[0].Label, q.expr)
	name := filters[0].Value
	if name == "up" {
		return
	}
	f := known[name]
	require.NotNil(t, f, "%s asks for %s, which /metrics does not have", q.where, name)
	for _, filter := range filters[1:] {
		if filter.Label == "instance" || filter.Label == "job" {
			continue
		}
		has := slices.ContainsFunc(f.Metric[0].Label, func(l *dto.LabelPair) bool { return l.GetName() == filter.Label })
		require.True(t, has, "%s asks for the label %s of %s, which has none", q.where, filter.Label, name)
	}
}
