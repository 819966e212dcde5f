package runtime

import "time"

// BlockKey is the content address of a block: see [NextKey].
type BlockKey [32]byte

// Manifest is everything about a saved agent but the contents of its blocks.
type Manifest struct {
	Agent   string     // the agent's id
	Tag     string     // EngineInfo.Tag of the engine that computed the blocks
	Tokens  []int32    // token history; Blocks hold the first Length positions of it
	Length  int        // valid positions in Blocks
	Blocks  []BlockKey // in order of position
	SavedAt time.Time
	Pinned  bool // never collected to meet a budget
}

// Saved is what a store knows of an agent without reading its manifest.
type Saved struct {
	Agent   string
	Tag     string
	Length  int   // valid positions
	Blocks  int   // blocks that the manifest names
	Bytes   int64 // on disk, counting shared blocks in full
	SavedAt time.Time
	Pinned  bool
}

// StoreUsage is the sum of what a store holds and did.
type StoreUsage struct {
	Agents, Blocks int
	Bytes          int64  // on disk
	Budget         int64  // most bytes on disk; 0 is no limit
	Written        int64  // bytes written since the store was made, over all processes: what wears a disk out
	Collected      uint64 // agents that the budget cost, since the store was opened
	Quarantined    int    // damaged files set aside, since the store was opened
}

// Store keeps agents beyond the life of the process. It may be used from several goroutines.
//
// A manifest that Manifest returns names only blocks that Block finds. What Save returned nil for survives a crash at any later instant.
type Store interface {
	// Save keeps an agent: first the blocks that are new, then the manifest, which replaces an older one of the same agent. block returns the
	// contents of m.Blocks[i]; it is called only for blocks that the store lacks.
	Save(m Manifest, block func(i int) ([]byte, error)) error
	// Manifest returns the manifest of an agent, or an error of kind Unknown.
	Manifest(agent string) (Manifest, error)
	// List returns all saved agents in lexical order of their ids. It reads no file.
	List() []Saved
	// Usage returns the sums of this moment.
	Usage() StoreUsage
	// Block calls use with the contents of a block, which are valid until it returns, and returns its error. The error is of kind Unknown, and use is
	// not called, if there is no such block or it is damaged.
	Block(key BlockKey, use func(contents []byte) error) error
	// Has returns how many of some keys, up to the first that it lacks, are those of blocks that it has. It reads no file.
	Has(keys []BlockKey) int
	// Delete forgets an agent and the blocks that no other agent names. Deleting an unknown agent is not an error.
	Delete(agent string) error
	// Close releases what the store holds open.
	Close() error
}
