package http

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
)

// scrape returns the samples of /metrics by name and labels, and the page.
func (h *house) scrape(t testing.TB) (samples map[string]float64, page string) {
	t.Helper()
	a := h.get(t, "/metrics")
	require.Equal(t, http.StatusOK, a.status)
	require.Contains(t, a.header.Get("content-type"), "text/plain")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(a.body + "\n")) // which do cut off
	require.NoError(t, err)
	all, err := expfmt.ExtractSamples(&expfmt.DecodeOptions{}, slices.Collect(maps.Values(families))...)
	require.NoError(t, err)
	samples = map[string]float64{}
	for _, s := range all {
		samples[s.Metric.String()] = float64(s.Value)
	}
	return samples, a.body
}

func TestMeterMeasuresTheParts(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := New(Config{Logger: slog.New(slog.DiscardHandler)})
	x := meter{metrics: s.metrics, now: func() time.Time { return now }, model: "tiny", prompt: 40, came: now}
	later := func(ms int) { now = now.Add(time.Duration(ms) * time.Millisecond) }
	later(20)
	x.see(actors.Event{Started: true, Cached: 32})
	later(100)
	x.see(actors.Event{Tokens: 1})
	later(30)
	x.see(actors.Event{Tokens: 2, Text: "hi"})
	later(50)
	x.see(actors.Event{Tokens: 3})
	x.see(actors.Event{Tokens: 3, Text: "held back"}) // no new token
	later(7)
	x.end(actors.Outcome{Reason: runtime.FinishStop, OutputTokens: 4})

	got := map[string]float64{}
	families, err := s.metrics.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.Metric {
			switch {
			case m.Histogram != nil && strings.HasPrefix(f.GetName(), "vllm:"):
				got[f.GetName()+" count"] = float64(m.Histogram.GetSampleCount())
				got[f.GetName()] = m.Histogram.GetSampleSum()
			case m.Counter != nil && strings.HasPrefix(f.GetName(), "vllm:"):
				got[f.GetName()] = m.Counter.GetValue()
			}
		}
	}
	want := map[string]float64{
		"vllm:request_queue_time_seconds": .020, "vllm:request_prefill_time_seconds": .100, "vllm:time_to_first_token_seconds": .120,
		"vllm:inter_token_latency_seconds": .080, "vllm:request_decode_time_seconds": .080, "vllm:e2e_request_latency_seconds": .207,
		"vllm:request_prompt_tokens": 40, "vllm:request_generation_tokens": 4, "vllm:prompt_tokens_total": 40, "vllm:generation_tokens_total": 4,
		"vllm:prefix_cache_queries_total": 40, "vllm:prefix_cache_hits_total": 32, "vllm:request_success_total": 1,
	}
	for name, v := range want {
		require.InDelta(t, v, got[name], 1e-9, name)
		if count, ok := got[name+" count"]; ok {
			require.EqualValues(t, map[bool]int{true: 2, false: 1}[name == "vllm:inter_token_latency_seconds"], count, name)
		}
	}
	require.Equal(t, []any{"took", 207 * time.Millisecond, "queued", 20 * time.Millisecond, "first_token", 120 * time.Millisecond, "decode", 80 * time.Millisecond}, x.attrs())
}

func TestAGenerationThatNeverStartedHasNoTimes(t *testing.T) {
	s := New(Config{Logger: slog.New(slog.DiscardHandler)})
	x := meter{metrics: s.metrics, now: func() time.Time { return time.Unix(1, 0) }, model: "tiny", came: time.Unix(0, 0)}
	x.end(actors.Outcome{Err: runtime.Errorf(runtime.Internal, "no")})
	require.Equal(t, []any{"took", time.Second}, x.attrs())
}

// TestMetricsOfAWorkingServer lets two agents talk to real actors and reads the page.
func TestMetricsOfAWorkingServer(t *testing.T) {
	h := live(t, Config{}, enginetest.Options{Blocks: 256, BlockTokens: 8}, actors.Config{MaxBatch: 6})
	before, _ := h.scrape(t)
	require.EqualValues(t, 1, before["troupe_ready"])
	require.EqualValues(t, 256, before[`troupe_pool_blocks{state="free"}`])

	first := h.post(t, "/v1/messages", anthropicBody(`,"max_tokens":10`), "x-agent-id", "ada-lovelace")
	require.Equal(t, http.StatusOK, first.status, first.body)
	for _, e := range endpoints {
		a := h.post(t, e.path, e.body(`,"stream":true`), "x-agent-id", "ada-lovelace")
		require.Equal(t, http.StatusOK, a.status, a.body)
	}
	got, page := h.scrape(t)
	const model = `{model_name="org/tiny"}`
	prompt := got["vllm:prompt_tokens_total"+model]
	require.Positive(t, prompt)
	require.Equal(t, prompt, got["vllm:prefix_cache_queries_total"+model])
	require.Positive(t, got["vllm:prefix_cache_hits_total"+model], "the second turn finds the first one's prompt")
	// Of every prompt the part that was not found is computed, of every answer all but its last token.
	require.Equal(t, prompt-got["vllm:prefix_cache_hits_total"+model]+got["vllm:generation_tokens_total"+model]-3,
		got["troupe_prefilled_tokens_total"]+got["troupe_decoded_tokens_total"])
	require.EqualValues(t, 3, got["troupe_admitted_total"])
	require.EqualValues(t, 3, got["vllm:e2e_request_latency_seconds_count"+model])
	require.EqualValues(t, 3, got["vllm:request_prompt_tokens_count"+model])
	require.Equal(t, prompt, got["vllm:request_prompt_tokens_sum"+model])
	require.Equal(t, got["vllm:generation_tokens_total"+model], got["vllm:request_generation_tokens_sum"+model])
	finished := got[`vllm:request_success_total{finished_reason="stop", model_name="org/tiny"}`] + got[`vllm:request_success_total{finished_reason="length", model_name="org/tiny"}`]
	require.EqualValues(t, 3, finished)
	require.Zero(t, got["vllm:num_requests_running"+model])
	require.Zero(t, got["vllm:num_requests_waiting"+model])
	require.Zero(t, got["vllm:kv_cache_usage_perc"+model])
	require.EqualValues(t, 256, got[`troupe_pool_blocks{state="free"}`]+got[`troupe_pool_blocks{state="leased"}`]+got[`troupe_pool_blocks{state="cached"}`])
	require.Positive(t, got[`troupe_pool_blocks{state="cached"}`])
	require.EqualValues(t, 1, got[`troupe_agents{state="hot"}`])
	require.EqualValues(t, 8, got["troupe_block_tokens"])
	require.Equal(t, got["troupe_step_rows_count"], got[`troupe_step_rows_bucket{le="1"}`], "one request at a time")
	require.Equal(t, got["troupe_step_rows_count"], got[`troupe_step_rows_bucket{le="8"}`])
	require.NotContains(t, got, `troupe_step_rows_bucket{le="16"}`)
	require.EqualValues(t, 2, got[`troupe_http_responses_total{code="200", route="/v1/messages"}`])
	require.Contains(t, got, "go_goroutines")
	require.Contains(t, got, "process_start_time_seconds")

	require.NotContains(t, page, "lovelace", "an agent must not be in a label")
}

func TestRefusalsAreCountedByReason(t *testing.T) {
	h, d := direct(t, Config{StrictModels: true})
	d.refuse = &runtime.Error{Kind: runtime.Busy, Message: "full", RetryAfter: time.Second}
	body := strings.Replace(openaiBody(""), `"m"`, `"org/tiny"`, 1)
	require.Equal(t, http.StatusTooManyRequests, h.post(t, "/v1/chat/completions", body).status)
	require.Equal(t, http.StatusTooManyRequests, h.post(t, "/v1/chat/completions", body).status)
	require.Equal(t, http.StatusNotFound, h.post(t, "/v1/chat/completions", openaiBody("")).status)
	require.Equal(t, http.StatusBadRequest, h.post(t, "/v1/chat/completions", "{").status)
	require.Equal(t, http.StatusNotFound, h.get(t, "/v1/agents/ada-lovelace/no/such/path").status)
	require.Equal(t, http.StatusMethodNotAllowed, h.get(t, "/v1/messages").status)
	got, page := h.scrape(t)
	for sample, want := range map[string]float64{
		`troupe_refused_total{code="429", reason="busy"}`:                             2,
		`troupe_refused_total{code="404", reason="model_not_found"}`:                  1,
		`troupe_refused_total{code="400", reason="invalid"}`:                          1,
		`troupe_refused_total{code="404", reason="http"}`:                             1,
		`troupe_refused_total{code="405", reason="http"}`:                             1,
		`troupe_http_responses_total{code="429", route="/v1/chat/completions"}`:       2,
		`troupe_http_responses_total{code="404", route="/v1/chat/completions"}`:       1,
		`troupe_http_responses_total{code="404", route="none"}`:                       1,
		`troupe_http_responses_total{code="200", route="/health/live"}`:               1,
		`vllm:request_success_total{finished_reason="stop", model_name="org/tiny"}`:   0,
		`vllm:request_success_total{finished_reason="length", model_name="org/tiny"}`: 0,
	} {
		require.Equal(t, want, got[sample], sample)
	}
	require.NotContains(t, page, "lovelace")
}

func TestFinishedReasons(t *testing.T) {
	for want, out := range map[string]actors.Outcome{
		"stop": {Reason: runtime.FinishString}, "length": {Reason: runtime.FinishLength}, "error": {Err: runtime.Errorf(runtime.Internal, "no")},
		"abort": {Err: fmt.Errorf("slow: %w", context.Canceled)},
	} {
		require.Equal(t, want, finishedReason(out))
	}
}

func TestMetricsBeforeThereIsAModel(t *testing.T) {
	h := open(t, Config{})
	got, _ := h.scrape(t)
	require.Contains(t, got, "troupe_ready")
	require.Zero(t, got["troupe_ready"])
	require.NotContains(t, got, `troupe_pool_blocks{state="free"}`)
}

// TestLabelsHaveFewValues keeps clients from making series.
func TestLabelsHaveFewValues(t *testing.T) {
	h := live(t, Config{}, enginetest.Options{}, actors.Config{})
	require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", anthropicBody("")).status)
	families, err := h.metrics.registry.Gather()
	require.NoError(t, err)
	labels := map[string]bool{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "vllm:") && !strings.HasPrefix(f.GetName(), "troupe_") {
			continue
		}
		require.NotEmpty(t, f.GetHelp(), f.GetName())
		for _, m := range f.Metric {
			for _, l := range m.Label {
				labels[l.GetName()] = true
			}
		}
	}
	require.Equal(t, []string{"actor", "class", "code", "finished_reason", "model_name", "result", "route", "state"}, slices.Sorted(maps.Keys(labels)))
}

func TestTheLogOfARequest(t *testing.T) {
	var log bytes.Buffer
	h := live(t, Config{Logger: slog.New(slog.NewJSONHandler(&log, nil))}, enginetest.Options{}, actors.Config{})
	body := strings.Replace(anthropicBody(`,"max_tokens":5`), `"hi"`, `"my password is swordfish"`, 1)
	a := h.post(t, "/v1/messages", body, "x-agent-id", "ada-lovelace")
	require.Equal(t, http.StatusOK, a.status)
	var lines []map[string]any
	for line := range strings.Lines(log.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		lines = append(lines, fields)
	}
	require.Len(t, lines, 1)
	got := lines[0]
	require.Equal(t, "INFO", got["level"])
	require.Equal(t, a.header.Get("request-id"), got["request"])
	require.Equal(t, runtime.Pseudonym("ada-lovelace"), got["agent"])
	require.EqualValues(t, 5, got["output"])
	for _, field := range []string{"prompt", "took", "queued", "first_token", "decode"} {
		require.Contains(t, got, field)
	}
	for _, secret := range []string{"ada", "lovelace", "password", "swordfish"} {
		require.NotContains(t, log.String(), secret)
	}
}

func TestMetricsOfTheDisk(t *testing.T) {
	h := live(t, Config{}, enginetest.Options{}, actors.Config{})
	v := *h.service.Load()
	v.agents = newCast()
	h.attach(&v)
	got, _ := h.scrape(t)
	for sample, want := range map[string]float64{
		`troupe_agents{state="saved"}`: 4, "troupe_block_bytes": 4096, "troupe_disk_bytes": 1 << 40, "troupe_disk_budget_bytes": 1 << 41, "troupe_disk_blocks": 40,
		"troupe_disk_written_bytes_total": 13, "troupe_disk_collected_agents_total": 14, "troupe_disk_quarantined_files_total": 15,
	} {
		require.Equal(t, want, got[sample], sample)
	}
}
