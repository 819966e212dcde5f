package http

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"troupe/actors"
	"troupe/runtime"
)

// scrapeTimeout bounds how long a scrape waits for the system, which answers between two messages.
const scrapeTimeout = 5 * time.Second

// systemCollector shows the numbers of the system at the moment of the scrape. Until there is a model there is little.
type systemCollector struct {
	server *Server
	ready  *prometheus.Desc
	rows   *prometheus.Desc
	swaps  *prometheus.Desc
	stats  []number[actors.Stats]
	cache  []number[actors.CacheInfo]
}

// number is one sample of what the system tells.
type number[T any] struct {
	desc     *prometheus.Desc
	kind     prometheus.ValueType
	perModel bool // has the model as a label
	value    func(*T) float64
}

// newNumber makes a number with constant labels; nil: with that of the model.
func newNumber[T any](kind prometheus.ValueType, name, help string, labels prometheus.Labels, value func(*T) float64) number[T] {
	n := number[T]{kind: kind, perModel: labels == nil, value: value}
	var variable []string
	if n.perModel {
		variable = []string{modelLabel}
	}
	n.desc = prometheus.NewDesc(name, help, variable, labels)
	return n
}

// sample is the number as it stands.
func (n *number[T]) sample(from *T, model string) prometheus.Metric {
	var labels []string
	if n.perModel {
		labels = []string{model}
	}
	return prometheus.MustNewConstMetric(n.desc, n.kind, n.value(from), labels...)
}

func newSystemCollector(s *Server) *systemCollector {
	c := &systemCollector{
		server: s,
		ready:  prometheus.NewDesc("troupe_ready", "1 if there is a model and requests are not refused for a swap or a shutdown.", nil, nil),
		swaps:  prometheus.NewDesc("troupe_swaps_total", "Swaps, loads and offloads of the model, by how they ended.", []string{"result"}, nil),
		rows:   prometheus.NewDesc("troupe_step_rows", "Rows of a step: how many requests were computed together.", nil, nil),
	}
	add := func(kind prometheus.ValueType, name, help string, labels prometheus.Labels, value func(s *actors.Stats) float64) {
		c.stats = append(c.stats, newNumber(kind, name, help, labels, value))
	}
	cached := func(kind prometheus.ValueType, name, help string, labels prometheus.Labels, value func(i *actors.CacheInfo) float64) {
		c.cache = append(c.cache, newNumber(kind, name, help, labels, value))
	}
	const gauge, counter = prometheus.GaugeValue, prometheus.CounterValue
	add(gauge, "vllm:num_requests_running", "Requests that were admitted and are not over.", nil, func(s *actors.Stats) float64 { return float64(s.Running) })
	add(gauge, "vllm:num_requests_waiting", "Requests in the queue, the paused ones included.", nil, func(s *actors.Stats) float64 { return float64(s.Waiting) })
	add(gauge, "vllm:kv_cache_usage_perc", "Part of the pool that running requests hold, 0 to 1.", nil, func(s *actors.Stats) float64 {
		return float64(s.Leased) / float64(max(s.Blocks, 1))
	})
	add(counter, "vllm:num_preemptions_total", "Running requests that gave way to others.", nil, func(s *actors.Stats) float64 { return float64(s.Preempted) })

	none := prometheus.Labels{}
	state := func(name string) prometheus.Labels { return prometheus.Labels{"state": name} }
	const blocks = "Blocks of the KV pool: free, leased to running requests, or cached for agents that are idle and for prompts to come."
	add(gauge, "troupe_pool_blocks", blocks, state("free"), func(s *actors.Stats) float64 { return float64(s.Free) })
	add(gauge, "troupe_pool_blocks", blocks, state("leased"), func(s *actors.Stats) float64 { return float64(s.Leased) })
	add(gauge, "troupe_pool_blocks", blocks, state("cached"), func(s *actors.Stats) float64 { return float64(s.Cached) })
	add(gauge, "troupe_shared_blocks", "Blocks that several agents or requests refer to.", none, func(s *actors.Stats) float64 { return float64(s.Shared) })
	add(gauge, "troupe_block_tokens", "Positions of a block.", none, func(s *actors.Stats) float64 { return float64(s.BlockTokens) })
	const agents = "Agents by where their caches are: hot in the pool, saved on disk; one can be both."
	add(gauge, "troupe_agents", agents, state("hot"), func(s *actors.Stats) float64 { return float64(s.IdleAgents) })
	add(gauge, "troupe_paused_requests", "Requests that gave way and wait to go on.", none, func(s *actors.Stats) float64 { return float64(s.Paused) })
	const waiting = "Requests in the queue, the paused ones included, by class."
	for _, class := range []runtime.Class{runtime.Interactive, runtime.SubAgent, runtime.Batch} {
		add(gauge, "troupe_waiting_requests", waiting, prometheus.Labels{"class": class.String()}, func(s *actors.Stats) float64 { return float64(s.WaitingBy[class]) })
	}
	add(gauge, "troupe_queued_tokens", "Prompt tokens that the requests in the queue are to compute.", none, func(s *actors.Stats) float64 { return float64(s.QueuedTokens) })
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
	add(counter, "troupe_restores_total", "Requests for which blocks were read from the disk.", none, func(s *actors.Stats) float64 { return float64(s.Restores) })
	add(counter, "troupe_saved_bytes_total", "Bytes of blocks written to the disk.", none, func(s *actors.Stats) float64 { return float64(s.SavedBytes) })
	add(counter, "troupe_restored_bytes_total", "Bytes of blocks read from the disk.", none, func(s *actors.Stats) float64 { return float64(s.RestoredBytes) })
	add(counter, "troupe_save_seconds_total", "Time that saves took, in sum.", none, func(s *actors.Stats) float64 { return s.SaveTime.Seconds() })
	add(counter, "troupe_restore_seconds_total", "Time that reading blocks from the disk took, in sum.", none, func(s *actors.Stats) float64 { return s.RestoreTime.Seconds() })
	add(counter, "troupe_store_errors_total", "Failures of the disk tier.", none, func(s *actors.Stats) float64 { return float64(s.StoreErrors) })
	add(counter, "troupe_failed_steps_total", "Steps that the engine failed on.", none, func(s *actors.Stats) float64 { return float64(s.FailedSteps) })
	add(counter, "troupe_prefilled_tokens_total", "Prompt tokens that were computed.", none, func(s *actors.Stats) float64 { return float64(s.Prefilled) })
	add(counter, "troupe_decoded_tokens_total", "Tokens that were computed one at a time.", none, func(s *actors.Stats) float64 { return float64(s.Decoded) })
	add(gauge, "troupe_prefill_tokens_per_second", "Speed of prompts, a moving average.", none, func(s *actors.Stats) float64 { return s.PrefillSpeed })
	add(counter, "troupe_engine_busy_seconds_total", "Time that the engine computed; its rate is the busy fraction.", none, func(s *actors.Stats) float64 { return s.Busy.Seconds() })

	cached(gauge, "troupe_agents", agents, state("saved"), func(i *actors.CacheInfo) float64 { return float64(i.AgentsSaved) })
	cached(gauge, "troupe_block_bytes", "Bytes of a block.", none, func(i *actors.CacheInfo) float64 { return float64(i.BlockBytes) })
	cached(gauge, "troupe_disk_bytes", "Bytes of the disk tier.", none, func(i *actors.CacheInfo) float64 { return float64(i.Disk.Bytes) })
	cached(gauge, "troupe_disk_budget_bytes", "Most bytes that the disk tier may take; 0 is no limit.", none, func(i *actors.CacheInfo) float64 { return float64(i.Disk.Budget) })
	cached(gauge, "troupe_disk_blocks", "Blocks on disk.", none, func(i *actors.CacheInfo) float64 { return float64(i.Disk.Blocks) })
	cached(counter, "troupe_disk_written_bytes_total", "Bytes written over the life of the data folder: what wears a disk out.", none, func(i *actors.CacheInfo) float64 { return float64(i.Disk.Written) })
	cached(counter, "troupe_disk_collected_agents_total", "Saved agents that the budget cost.", none, func(i *actors.CacheInfo) float64 { return float64(i.Disk.Collected) })
	cached(counter, "troupe_disk_quarantined_files_total", "Damaged files that were set aside.", none, func(i *actors.CacheInfo) float64 { return float64(i.Disk.Quarantined) })
	return c
}

// Describe implements prometheus.Collector.
func (c *systemCollector) Describe(out chan<- *prometheus.Desc) {
	out <- c.ready
	out <- c.rows
	out <- c.swaps
	for _, n := range c.stats {
		out <- n.desc
	}
	for _, n := range c.cache {
		out <- n.desc
	}
}

// Collect implements prometheus.Collector.
func (c *systemCollector) Collect(out chan<- prometheus.Metric) {
	ready := 0.0
	if c.server.readiness().ok() {
		ready = 1
	}
	out <- prometheus.MustNewConstMetric(c.ready, prometheus.GaugeValue, ready)
	c.collectSwaps(out)
	m, stats, of := c.server.shown()
	if m == nil || stats == nil {
		return
	}
	ctx, cancel := context.WithTimeout(c.server.ctx, scrapeTimeout)
	defer cancel()
	s, err := stats(ctx)
	if err != nil {
		c.server.log.Warn("no statistics for the metrics page", "error", err)
		return
	}
	for _, n := range c.stats {
		out <- n.sample(&s, m.ID)
	}
	out <- rowsPerStep(c.rows, &s)
	if of == nil {
		return
	}
	info, err := of.Cache(ctx)
	if err != nil {
		c.server.log.Warn("no numbers of the cache for the metrics page", "error", err)
		return
	}
	for _, n := range c.cache {
		out <- n.sample(&info, m.ID)
	}
}

// collectSwaps shows how often the model was changed.
func (c *systemCollector) collectSwaps(out chan<- prometheus.Metric) {
	changes := map[string]uint64{"done": 0, "failed": 0, "cancelled": 0}
	if h := c.server.host.Load(); h != nil {
		changes = h.Changes()
	}
	for result, n := range changes {
		out <- prometheus.MustNewConstMetric(c.swaps, prometheus.CounterValue, float64(n), result)
	}
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
