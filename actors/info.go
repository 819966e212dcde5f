package actors

import (
	"time"

	"troupe/runtime"
)

// AgentInfo is what is known of one agent at one moment.
type AgentInfo struct {
	ID       string
	State    string // running, waiting, idle or hibernated
	Tokens   int    // of its history
	Hot      int    // blocks in the pool
	Shared   int    // of those, the ones that other agents hold too
	Disk     int    // blocks on disk
	Bytes    int64  // in the pool and on disk, shared blocks in full
	LastUsed time.Time

	Requests     uint64 // answered, since the server started
	CachedTokens uint64 // prompt tokens of those that were not computed
	Pinned       bool   // on disk it is not collected to meet the budget
}

// CacheInfo are the sums over all agents at one moment. Counters grow from zero since the server started.
type CacheInfo struct {
	Blocks      int // in the pool; Free + Leased + Cached
	Free        int
	Leased      int // held by requests that run
	Cached      int // parked with idle agents, or kept for the prefix index
	Shared      int // held by more than one agent
	BlockTokens int
	BlockBytes  int64
	AgentsHot   int // with blocks in the pool
	AgentsSaved int // with a manifest on disk

	Hits, Misses              uint64 // prompt tokens that were found, and that were computed
	Evictions                 uint64 // cached blocks that others needed
	Hibernations, Restores    uint64
	SavedBytes, RestoredBytes uint64
	Disk                      runtime.StoreUsage
}
