package runtime

import "time"

// BlockKey is the content address of a saved block.
type BlockKey [32]byte

// Manifest is everything about a saved agent but the contents of its blocks.
type Manifest struct {
	Agent   string     // the agent's id
	Tag     string     // EngineInfo.Tag of the engine that computed the blocks
	Tokens  []int32    // token history; Blocks hold the first Length positions of it
	Length  int        // valid positions in Blocks
	Blocks  []BlockKey // in order of position
	SavedAt time.Time
}

// Store keeps agents beyond the life of the process. It may be used from several goroutines.
//
// A manifest that Manifest returns names only blocks that Block returns. What Save returned nil for survives a crash at any later instant.
type Store interface {
	// Save keeps an agent: first the blocks that are new, then the manifest, which replaces an older one of the same agent. block returns the
	// contents of m.Blocks[i]; it is called only for blocks that the store lacks.
	Save(m Manifest, block func(i int) ([]byte, error)) error
	// Manifest returns the manifest of an agent, or an error of kind Unknown.
	Manifest(agent string) (Manifest, error)
	// Agents returns the ids of all saved agents in lexical order.
	Agents() ([]string, error)
	// Block returns the contents of a block, or an error of kind Unknown if there is none or it is damaged.
	Block(key BlockKey) ([]byte, error)
	// Delete forgets an agent and the blocks that no other agent names. Deleting an unknown agent is not an error.
	Delete(agent string) error
	// Close releases what the store holds open.
	Close() error
}
