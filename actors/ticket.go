package actors

import (
	"container/list"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// maxCold is how many agents are remembered that know nothing any more.
const maxCold = 4096

// seat is an agent that has an id, as the pool knows it; or a request without one that is paused, or that reads from disk.
type seat struct {
	id     string        // "": of a request
	name   string        // in the store
	pid    *actor.PID    // nil until its first request is admitted, and after its memory was let go
	memory *memory       // what it knows, while it is idle or paused
	place  *list.Element // in pool.idle while there is a memory
	cold   *list.Element // in pool.cold while there is nothing else
	ticket *ticket       // its request that waits, runs or is paused; nil otherwise

	job        *diskJob              // what the keeper does for it
	afterwards []func(actor.Context) // what waits for the end of that
	disk       runtime.BlockKey      // stands for what is known to be on disk
	diskBlocks int                   // how many blocks that is; 0: none
	failed     bool                  // its memory could not be saved
	unsaved    *list.Element         // in pool.unsaved while something is to be saved
	dirtyAt    time.Time             // since when

	pinned       bool
	lost         bool // its memory was let go and is not on disk
	lastUsed     time.Time
	requests     uint64
	cachedTokens uint64
}

// ticket is a request as the pool knows it. Its id says how old it is.
type ticket struct {
	id      uint64
	request Request
	stream  *Stream
	seat    *seat // nil: anonymous, or a fork, and never paused nor looked for on disk

	state    ticketState
	pid      *actor.PID         // the agent that answers it, from its admission on
	tokens   []int32            // those it knows: the prompt, later with the output so far; read only
	keys     []runtime.BlockKey // of the full blocks of tokens
	outputs  int                // most tokens to generate
	end      int                // most positions it will need
	blocks   []runtime.BlockID  // leased to it; in order of position while it runs
	length   int                // positions in blocks that are known to be computed, while it runs
	awaits   runtime.BlockKey   // while it waits for another request to compute this block
	miss     Miss               // why it is not cached further
	sought   bool               // it is known what there is on disk for it
	saved    *runtime.Manifest  // what that is, until it was read
	borrowed bool               // saved is the beginning of the prompt instead, in blocks that others saved
	restored *memory            // what was read for it
	since    time.Time          // when it began to wait
	began    uint64             // how many steps there had been when it was admitted, or its prompt got on last: it gets a token in each step from then on
	place    runtime.Place      // among those of others
	lacks    int                // tokens that are to be computed when it is admitted, as far as that is known

	wants    bool // a block
	stalled  bool // and cannot go on without
	yielding bool // was told to give way
	polite   bool // to somebody else's request, not for want of blocks
}

type ticketState uint8

const (
	waiting ticketState = iota // in the queue, never admitted
	running                    // admitted
	halted                     // paused: back in the queue; its seat has what it knows
	over                       // ended, but some of its blocks are still on their way home
)
