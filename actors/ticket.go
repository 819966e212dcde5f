package actors

import (
	"container/list"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// seat is an agent that has an id, as the pool knows it.
type seat struct {
	id     string
	pid    *actor.PID    // nil until its first request is admitted, and after its history was forgotten
	memory *memory       // what it knows, while it is idle
	place  *list.Element // in pool.idle while there is a memory
	ticket *ticket       // its request that waits, runs or is paused; nil otherwise
}

// ticket is a request as the pool knows it. Its id says how old it is.
type ticket struct {
	id      uint64
	request Request
	stream  *Stream
	seat    *seat // nil: anonymous, or a fork

	state   ticketState
	pid     *actor.PID         // the agent that answers it, from its admission on
	tokens  []int32            // those it knows: the prompt, later with the output so far; read only
	keys    []runtime.BlockKey // of the full blocks of tokens
	outputs int                // most tokens to generate
	end     int                // most positions it will need
	blocks  []runtime.BlockID  // leased to it; in order of position while it runs
	length  int                // positions in blocks that are known to be computed, while it runs
	awaits  runtime.BlockKey   // while it waits for another request to compute this block
	since   time.Time          // when it began to wait

	wants    bool // a block
	stalled  bool // and cannot go on without
	yielding bool // was told to give way
}

type ticketState uint8

const (
	waiting ticketState = iota // in the queue, never admitted
	running                    // admitted
	halted                     // paused: back in the queue, without blocks
	over                       // ended, but some of its blocks are still on their way home
)
