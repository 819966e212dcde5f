package main

import (
	"context"
	"time"

	"github.com/prometheus/common/model"

	"troupe/benchmarks/harness"
)

// stepTime is the mean time in the engine of the steps that ended between two looks at the server's metrics: of one, if they take longer than that.
type stepTime struct {
	steps int
	mean  time.Duration
}

// watchSteps looks at the metrics of a server until the context ends.
func watchSteps(ctx context.Context, url string) (all []stepTime) {
	const every = 50 * time.Millisecond
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	last, err := readMetrics(ctx, url)
	for err == nil {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return all
		}
		var now samples
		if now, err = readMetrics(ctx, url); err != nil {
			return all
		}
		if n := now.steps() - last.steps(); n > 0 {
			all = append(all, stepTime{n, (now.busy() - last.busy()) / time.Duration(n)})
			last = now
		}
	}
	return all
}

// samples are the metrics of a server.
type samples struct{ harness.Metrics }

func readMetrics(ctx context.Context, url string) (samples, error) {
	m, err := harness.ReadMetrics(ctx, url)
	return samples{m}, err
}

func (s samples) steps() int {
	n, _ := s.Sum("troupe_step_rows_count", nil)
	return int(n)
}

func (s samples) busy() time.Duration {
	seconds, _ := s.Sum("troupe_engine_busy_seconds_total", nil)
	return time.Duration(seconds * float64(time.Second))
}

// slower is how many tokens came later than d after the one before. It is not known unless d is a bound of the server's histogram.
func (s samples) slower(d time.Duration) (n int, known bool) {
	const name = "vllm:inter_token_latency_seconds"
	all, _ := s.Sum(name+"_count", nil)
	sooner, buckets := s.Sum(name+"_bucket", model.LabelSet{"le": model.LabelValue(model.SampleValue(d.Seconds()).String())})
	return int(all - sooner), buckets > 0
}
