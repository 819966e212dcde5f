package http

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/gofiber/fiber/v2"
	"github.com/gofiber/fiber/v2/middleware/adaptor"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"troupe/runtime"
)

// metrics are what /metrics shows. What happens to requests is counted here, as it is seen on the wire; what the system knows is asked of it at each
// scrape (systemCollector). Names that begin with vllm: mean what they mean in vLLM, so that its dashboards work.
//
// Labels have few values, whatever clients send: no agent, no path, no id, and of models only those that were served.
type metrics struct {
	registry *prometheus.Registry

	responses *prometheus.CounterVec // route, code
	refused   *prometheus.CounterVec // code, reason

	prompt, generated *prometheus.CounterVec // model
	queries, hits     *prometheus.CounterVec // model
	finished          *prometheus.CounterVec // model, finished_reason

	firstToken, betweenTokens, whole      *prometheus.HistogramVec // model
	queued, prefill, decode               *prometheus.HistogramVec // model
	promptPerRequest, generatedPerRequest *prometheus.HistogramVec // model
}

// modelLabel is vLLM's name for the label.
const modelLabel = "model_name"

func newMetrics(s *Server) *metrics {
	m := &metrics{registry: prometheus.NewRegistry()}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		m.registry.MustRegister(c)
		return c
	}
	histogram := func(name, help string, buckets []float64) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, []string{modelLabel})
		m.registry.MustRegister(h)
		return h
	}
	// Seconds and tokens: vLLM's buckets, with finer ones for small models at the lower end.
	firstToken := []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160, 640}
	between := []float64{.001, .0025, .005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 10, 20}
	request := []float64{.01, .05, .1, .3, .5, .8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960}
	tokens := []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000, 200_000}

	m.responses = counter("troupe_http_responses_total", "Answers by route and status; a stream counts when it begins.", "route", "code")
	m.refused = counter("troupe_refused_total", "Requests that got an error instead of an answer, by status and reason.", "code", "reason")

	m.prompt = counter("vllm:prompt_tokens_total", "Prompt tokens of admitted requests, cached ones included.", modelLabel)
	m.generated = counter("vllm:generation_tokens_total", "Generated tokens.", modelLabel)
	m.queries = counter("vllm:prefix_cache_queries_total", "Prompt tokens that were looked up in the cache.", modelLabel)
	m.hits = counter("vllm:prefix_cache_hits_total", "Prompt tokens that were found in the cache.", modelLabel)
	m.finished = counter("vllm:request_success_total", "Requests that were admitted, by how they ended.", modelLabel, "finished_reason")

	m.firstToken = histogram("vllm:time_to_first_token_seconds", "From the request to its first token.", firstToken)
	m.betweenTokens = histogram("vllm:inter_token_latency_seconds", "Between two tokens of an answer.", between)
	m.whole = histogram("vllm:e2e_request_latency_seconds", "From the request to the end of its answer.", request)
	m.queued = histogram("vllm:request_queue_time_seconds", "From the request to its admission.", request)
	m.prefill = histogram("vllm:request_prefill_time_seconds", "From the admission to the first token.", request)
	m.decode = histogram("vllm:request_decode_time_seconds", "From the first to the last token.", request)
	m.promptPerRequest = histogram("vllm:request_prompt_tokens", "Prompt tokens of a request.", tokens)
	m.generatedPerRequest = histogram("vllm:request_generation_tokens", "Generated tokens of a request.", tokens)

	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newSystemCollector(s))
	return m
}

// handler answers GET /metrics.
func (m *metrics) handler() fiber.Handler {
	return adaptor.HTTPHandler(promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
}

// response counts an answer.
func (m *metrics) response(c *fiber.Ctx) {
	m.responses.WithLabelValues(routeOf(c), strconv.Itoa(c.Response().StatusCode())).Inc()
}

// routeOf is the route that a request took, as it was declared: the path itself may hold the id of an agent.
func routeOf(c *fiber.Ctx) string {
	route := c.Route().Path
	if route == "/" && c.Path() != "/" {
		return "none" // no route, or refused before it was found
	}
	return route
}

// refuse counts an error that a client is told.
func (m *metrics) refuse(f failure, err error) {
	m.refused.WithLabelValues(strconv.Itoa(f.status), refusalReason(f, err)).Inc()
}

// refusalReason names why a request got an error: the kind of the error, or its code where that is finer.
func refusalReason(f failure, err error) string {
	var known *runtime.Error
	switch {
	case errors.Is(err, errClientGone):
		return "client_gone"
	case errors.Is(err, errShutdown):
		return runtime.Draining.String()
	case f.code != "":
		return f.code
	case errors.As(err, &known):
		return known.Kind.String()
	case f.status == http.StatusInternalServerError:
		return runtime.Internal.String()
	case f.status == http.StatusRequestTimeout:
		return "slow_client"
	}
	return "http"
}
