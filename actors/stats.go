package actors

import (
	"slices"
	"time"

	"troupe/runtime"
)

// Stats are the numbers of one moment. Counters only grow.
type Stats struct {
	Blocks       int // in the pool; Free + Leased + Cached
	Free         int
	Leased       int // held by requests that run
	Cached       int // of idle agents, or of nobody and kept for whose prompt needs them
	Shared       int // blocks that several requests or agents refer to
	BlockTokens  int
	Running      int    // admitted requests
	Waiting      int    // requests in the queue, the paused ones included
	Paused       int    // of those, the ones that gave way to others
	WaitingBy    [3]int // all of them by runtime.Class
	QueuedTokens int    // that they lack, as far as it is known
	IdleAgents   int    // that have a history in the pool
	Draining     bool
	Admitted     uint64
	Refused      uint64
	Preempted    uint64 // how often a running request gave way
	Forgotten    uint64 // idle agents whose blocks others needed and that are not on disk
	Evicted      uint64 // cached blocks of nobody that others needed

	Hits, Misses  uint64        // prompt tokens that were found, and that were computed
	Realigned     uint64        // prompts that went on from what their agent knew although they were tokenised differently
	Hibernations  uint64        // agents that were let go and are on disk
	Restores      uint64        // requests for which blocks were read from there
	SavedBytes    uint64        // of blocks written to the store
	RestoredBytes uint64        // and read from it
	SaveTime      time.Duration // that saves took, in sum
	RestoreTime   time.Duration // that reading blocks took, in sum
	StoreErrors   uint64        // that the store failed

	// Messages that wait for an actor. They grow when it cannot keep up.
	PoolMail, BatcherMail, KeeperMail int

	WaitTime     time.Duration // that admitted requests waited, in sum
	Steps        uint64
	FailedSteps  uint64
	Prefilled    uint64   // prompt tokens computed
	Decoded      uint64   // tokens computed one at a time
	LastRows     int      // rows of the last step
	RowsPerStep  []uint64 // [n] is how many steps carried n rows
	PrefillSpeed float64  // prompt tokens per second, moving average; 0 before the first prompt
	// Stalled is for how long requests have been there without a step having ended; 0 if there are none. The engine hangs if it grows beyond a step's time.
	Stalled time.Duration
	// Busy is how long the engine computed; divided by Uptime it is the saturation of the server.
	Busy   time.Duration
	Uptime time.Duration
}

// stepReport is what a step carried.
type stepReport struct {
	rows, prefill, decode int
	took                  time.Duration
	failed                bool
}

func reportOf(m *stepped) stepReport {
	r := stepReport{rows: len(m.step.rows), took: m.step.took, failed: m.err != nil}
	for _, row := range m.step.rows {
		if n := len(row.Tokens); n > 1 {
			r.prefill += n
		} else {
			r.decode++
		}
	}
	return r
}

// poolStats is a Stats whose counters are kept up to date; snapshot fills in the rest.
type poolStats struct {
	Stats
	began time.Time
	last  time.Time // when a step ended
	now   func() time.Time
}

func newPoolStats(h *house) poolStats {
	return poolStats{began: h.Now(), now: h.Now, Stats: Stats{RowsPerStep: make([]uint64, h.MaxBatch+1)}}
}

func (s *poolStats) step(r stepReport) {
	s.Steps++
	s.last = s.now()
	s.LastRows = r.rows
	s.RowsPerStep[r.rows]++
	s.Busy += r.took
	if r.failed {
		s.FailedSteps++
		return
	}
	s.Prefilled += uint64(r.prefill)
	s.Decoded += uint64(r.decode)
}

func (p *pool) snapshot() Stats {
	s := p.stats.Stats
	s.Blocks, s.BlockTokens = p.ledger.Total(), p.info.BlockTokens
	s.Free, s.Leased, s.Cached = p.ledger.Count(runtime.Free), p.ledger.Count(runtime.Leased), p.ledger.Count(runtime.Cached)
	s.Shared, s.Evicted = p.ledger.Shared(), p.ledger.Evicted()
	s.Running, s.Waiting, s.IdleAgents = len(p.running), p.queue.Len(), p.idle.Len()
	p.queue.All(func(t *ticket) {
		s.WaitingBy[t.request.Class]++
		s.QueuedTokens += t.lacks
		if t.state == halted {
			s.Paused++
		}
	})
	if since, ok := p.oldest(); ok {
		if since.Before(p.stats.last) {
			since = p.stats.last
		}
		s.Stalled = p.Now().Sub(since)
	}
	mail := &p.system.mail
	s.PoolMail, s.BatcherMail, s.KeeperMail = mail.pool.waiting(), mail.batcher.waiting(), mail.keeper.waiting()
	s.Draining = p.closing != nil && runtime.KindOf(p.closing) == runtime.Draining
	s.RowsPerStep = slices.Clone(s.RowsPerStep)
	s.PrefillSpeed = p.speeds.prompt.PerSecond()
	s.Uptime = p.Now().Sub(p.stats.began)
	return s
}

// oldest returns since when there has been a request without a break.
func (p *pool) oldest() (since time.Time, ok bool) {
	for _, t := range p.tickets {
		if t.state != over && (!ok || t.since.Before(since)) {
			since, ok = t.since, true
		}
	}
	return since, ok
}
