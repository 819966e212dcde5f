package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
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

// samples are the lines of a page of metrics: values by names with labels.
type samples map[string]float64

func (s samples) steps() int { return int(s["troupe_step_rows_count"]) }

func (s samples) busy() time.Duration {
	return time.Duration(s["troupe_engine_busy_seconds_total"] * float64(time.Second))
}

// slower is how many tokens came later than d after the one before. It is not known unless d is a bound of the server's histogram.
func (s samples) slower(d time.Duration) (n int, known bool) {
	const name = "vllm:inter_token_latency_seconds"
	bound := fmt.Sprintf(`le="%g"}`, d.Seconds())
	all := 0.0
	for key, v := range s {
		switch {
		case strings.HasPrefix(key, name+"_count"):
			all += v
		case strings.HasPrefix(key, name+"_bucket") && strings.HasSuffix(key, bound):
			all -= v
			known = true
		}
	}
	return int(all), known
}

func readMetrics(ctx context.Context, url string) (samples, error) {
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
	all := samples{}
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		v, err := strconv.ParseFloat(lines.Text()[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("/metrics: %w", err)
		}
		all[lines.Text()[:at]] = v
	}
	return all, lines.Err()
}
