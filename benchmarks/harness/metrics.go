package harness

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Metrics are the samples of a page of metrics.
type Metrics model.Vector

// ReadMetrics reads the page of metrics of a server.
func ReadMetrics(ctx context.Context, url string) (Metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("/metrics: status %d", resp.StatusCode)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("/metrics: %w", err)
	}
	all, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, slices.Collect(maps.Values(families))...)
	return Metrics(all), err
}

// Sum adds the samples of a name, such as "troupe_step_rows_count", that have these labels, and returns how many there are.
func (m Metrics) Sum(name string, labels model.LabelSet) (sum float64, n int) {
	for _, s := range m {
		matches := s.Metric[model.MetricNameLabel] == model.LabelValue(name)
		for label, value := range labels {
			matches = matches && s.Metric[label] == value
		}
		if matches {
			sum += float64(s.Value)
			n++
		}
	}
	return sum, n
}
