package http

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/actors"
)

// scrapeTimeout bounds how long a scrape waits for the system, which answers between two messages.
const scrapeTimeout = 5 * time.Second

// systemCollector shows the numbers of the system at the moment of the scrape. While there is no model there is only troupe_ready.
type systemCollector struct {
	server *Server
	ready  *prometheus.Desc
	rows   *prometheus.Desc
	list   []systemMetric
}

// systemMetric is one number of the system.
type systemMetric struct {
	desc     *prometheus.Desc
	kind     prometheus.ValueType
	perModel bool
	value    func(s *actors.Stats) float64
}

func newSystemCollector(s *Server) *systemCollector {
	c := &systemCollector{
		server: s,
		ready:  prometheus.NewDesc("troupe_ready", "1 if there is a model and requests are not refused for a shutdown.", nil, nil),
		rows:   prometheus.NewDesc("troupe_step_rows", "Rows of a step: how many requests were computed together.", nil, nil),
	}
	add := func(kind prometheus.ValueType, name, help string, labels prometheus.Labels, value func(s *actors.Stats) float64) {
		m := systemMetric{kind: kind, value: value}
		var variable []string
		if m.perModel = labels == nil; m.perModel {
			variable = []string{modelLabel}
		}
		m.desc = prometheus.NewDesc(name, help, variable, labels)
		c.list = append(c.list, m)
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "vllm:num_requests_running", "Requests that were admitted and are not over.", nil, func(s *actors.Stats) float64 { return float64(s.Running) })
	add(gauge, "vllm:num_requests_waiting", "Requests in the queue, the paused ones included.", nil, func(s *actors.Stats) float64 { return float64(s.Waiting) })
	add(gauge, "vllm:kv_cache_usage_perc", "Part of the pool that running requests hold, 0 to 1.", nil, func(s *actors.Stats) float64 {
		return float64(s.Leased) / float64(max(s.Blocks, 1))
	})
	add(counter, "vllm:num_preemptions_total", "Running requests that gave way to older ones.", nil, func(s *actors.Stats) float64 { return float64(s.Preempted) })

	none := prometheus.Labels{}
	state := func(name string) prometheus.Labels { return prometheus.Labels{"state": name} }
	const blocks = "Blocks of the KV pool: free, leased to running requests, or cached for agents that are idle and for prompts to come."
	add(gauge, "troupe_pool_blocks", blocks, state("free"), func(s *actors.Stats) float64 { return float64(s.Free) })
	add(gauge, "troupe_pool_blocks", blocks, state("leased"), func(s *actors.Stats) float64 { return float64(s.Leased) })
	add(gauge, "troupe_pool_blocks", blocks, state("cached"), func(s *actors.Stats) float64 { return float64(s.Cached) })
	add(gauge, "troupe_shared_blocks", "Blocks that several agents or requests refer to.", none, func(s *actors.Stats) float64 { return float64(s.Shared) })
	add(gauge, "troupe_block_tokens", "Positions of a block.", none, func(s *actors.Stats) float64 { return float64(s.BlockTokens) })
	add(gauge, "troupe_agents", "Agents by where their caches are: hot is in the pool.", state("hot"), func(s *actors.Stats) float64 { return float64(s.IdleAgents) })
	add(gauge, "troupe_paused_requests", "Requests that gave way and wait to go on.", none, func(s *actors.Stats) float64 { return float64(s.Paused) })
	add(gauge, "troupe_draining", "1 if new requests are refused for a shutdown.", none, func(s *actors.Stats) float64 {
		if s.Draining {
			return 1
		}
		return 0
	})
	add(counter, "troupe_admitted_total", "Requests that were admitted.", none, func(s *actors.Stats) float64 { return float64(s.Admitted) })
	add(counter, "troupe_queue_wait_seconds_total", "Time that admitted requests waited, in sum.", none, func(s *actors.Stats) float64 { return s.WaitTime.Seconds() })
	add(counter, "troupe_evictions_total", "Cached blocks of nobody that others needed.", none, func(s *actors.Stats) float64 { return float64(s.Evicted) })
	add(counter, "troupe_forgotten_agents_total", "Idle agents whose caches gave way to others and are not on disk.", none, func(s *actors.Stats) float64 { return float64(s.Forgotten) })
	add(gauge, "troupe_stalled_seconds", "For how long requests have been there without a step having ended; 0 if there are none.", none, func(s *actors.Stats) float64 { return s.Stalled.Seconds() })
	const mail = "Messages that wait for an actor; they grow when it cannot keep up."
	actor := func(name string) prometheus.Labels { return prometheus.Labels{"actor": name} }
	add(gauge, "troupe_mailbox_messages", mail, actor("pool"), func(s *actors.Stats) float64 { return float64(s.PoolMail) })
	add(gauge, "troupe_mailbox_messages", mail, actor("batcher"), func(s *actors.Stats) float64 { return float64(s.BatcherMail) })
	add(gauge, "troupe_mailbox_messages", mail, actor("keeper"), func(s *actors.Stats) float64 { return float64(s.KeeperMail) })
	add(counter, "troupe_hibernations_total", "Agents that were let go and are on disk.", none, func(s *actors.Stats) float64 { return float64(s.Hibernations) })
	add(counter, "troupe_restores_total", "Agents that came back from the disk.", none, func(s *actors.Stats) float64 { return float64(s.Restores) })
	add(counter, "troupe_saved_bytes_total", "Bytes of blocks written to the disk.", none, func(s *actors.Stats) float64 { return float64(s.SavedBytes) })
	add(counter, "troupe_restored_bytes_total", "Bytes of blocks read from the disk.", none, func(s *actors.Stats) float64 { return float64(s.RestoredBytes) })
	add(counter, "troupe_store_errors_total", "Failures of the disk tier.", none, func(s *actors.Stats) float64 { return float64(s.StoreErrors) })
	add(counter, "troupe_failed_steps_total", "Steps that the engine failed on.", none, func(s *actors.Stats) float64 { return float64(s.FailedSteps) })
	add(counter, "troupe_prefilled_tokens_total", "Prompt tokens that were computed.", none, func(s *actors.Stats) float64 { return float64(s.Prefilled) })
	add(counter, "troupe_decoded_tokens_total", "Tokens that were computed one at a time.", none, func(s *actors.Stats) float64 { return float64(s.Decoded) })
	add(gauge, "troupe_prefill_tokens_per_second", "Speed of prompts, a moving average.", none, func(s *actors.Stats) float64 { return s.PrefillSpeed })
	add(counter, "troupe_engine_busy_seconds_total", "Time that the engine computed; its rate is the busy fraction.", none, func(s *actors.Stats) float64 { return s.Busy.Seconds() })
	return c
}

// Describe implements prometheus.Collector.
func (c *systemCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.ready
	out <- c.rows
	for _, m := range c.list {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *systemCollector) Collect(out chan<- prometheus.Metric) {
	v := c.server.service.Load()
	ready := 0.0
	if v != nil && !c.server.draining.Load() {
		ready = 1
	}
	out <- prometheus.MustNewConstMetric(c.ready, prometheus.GaugeValue, ready)
	if v == nil || v.stats == nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.server.ctx, scrapeTimeout)
	defer cancel()
	s, err := v.stats(ctx)
	if err != nil {
		c.server.log.Warn("no statistics for the metrics page", "error", err)
		return
	}
	for _, m := range c.list {
		var labels []string
		if m.perModel {
			labels = []string{v.model.ID}
		}
		out <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(&s), labels...)
	}
	out <- rowsPerStep(c.rows, &s)
}

// rowsPerStep makes a histogram of the steps, with a bucket for each power of two.
func rowsPerStep(desc *prometheus.Desc, s *actors.Stats) prometheus.Metric {
	buckets := map[float64]uint64{}
	var count, rows uint64
	bound := 1
	for n, steps := range s.RowsPerStep {
		if n > bound {
			bound *= 2
		}
		count += steps
		rows += uint64(n) * steps
		buckets[float64(bound)] = count
	}
	return prometheus.MustNewConstHistogram(desc, count, float64(rows), buckets)
}
