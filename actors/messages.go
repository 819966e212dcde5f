package actors

import (
	"context"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// Every message between actors, as "sender -> receiver: what it means; who owns what it carries". None has a reply but those with a channel, which has
// room for the one answer, so that nobody ever blocks on it. Numbers named id are those of requests.

// generate: System -> pool: admit this request or refuse it. The answer is an error of a kind, or nil. The stream belongs to the pool from here on.
type generate struct {
	id      uint64
	ctx     context.Context
	request Request
	keys    []runtime.BlockKey // of the full blocks of the prompt
	stream  *Stream
	reply   chan<- error
}

// cancel: System -> pool -> agent: the client no longer wants the answer, because of err. An ended follows unless the request is over already.
type cancel struct {
	id  uint64
	err error
}

// prompt: pool -> agent: answer this request. Lease and stream become the agent's. The lease holds the beginning of the prompt already: its blocks up to
// lease.Length may be shared and are only read, but for the last one if it is partial.
type prompt struct {
	id      uint64
	request Request
	keys    []runtime.BlockKey // of the full blocks of the prompt; read only
	stream  *Stream
	lease   *runtime.Lease
	miss    Miss // why it does not hold more
	outputs int  // most tokens to generate
}

// resume: pool -> agent: go on with a request that was paused. The lease becomes the agent's; it holds what was still there.
type resume struct {
	id    uint64
	lease *runtime.Lease
}

// preempt: pool -> agent: others need the blocks; give the lease back and wait. A paused or an ended follows.
type preempt struct{ id uint64 }

// paused: agent -> pool: the request gave way; it knows these tokens by now, and these are the keys of the full blocks among them. The lease becomes
// the pool's. The step with this number, if there is one, may still write behind the lease's length.
type paused struct {
	id     uint64
	tokens []int32 // read only
	keys   []runtime.BlockKey
	lease  *runtime.Lease
	step   uint64
}

// ended: agent -> pool: the request is over; sent exactly once, before its stream is closed. The lease becomes the pool's; nil: it is there
// already, or still on its way and a surplus follows. If all went well the lease holds exactly these tokens, whose full blocks have these keys; otherwise tokens is nil.
type ended struct {
	id     uint64
	lease  *runtime.Lease
	tokens []int32 // read only
	keys   []runtime.BlockKey
	step   uint64 // as in paused
}

// surplus: agent or batcher -> pool: these blocks came for a request that is over. They become the pool's.
type surplus struct {
	id     uint64
	blocks []runtime.BlockID
	step   uint64 // as in paused
}

// lend: agent -> batcher: compute these tokens and generate. The lease and the sampler are the batcher's until it sends returned; tokens is read only.
type lend struct {
	id        uint64
	agent     *actor.PID
	lease     *runtime.Lease
	sampler   *runtime.Sampler
	tokens    []int32 // those after lease.Length
	outputs   int     // most tokens to generate
	end       int     // most positions the lease will need
	ignoreEOS bool
	owner     string        // whose prompt it is, which shares the chunks with those of others
	party     string        // the agent among the owner's
	class     runtime.Class // and how urgent
}

// sampled: batcher -> agent: the next token. It is never one that ends the turn.
type sampled struct {
	id    uint64
	token int32
}

// recall: agent -> batcher: return the lease of this request now, for this reason. Ignored if it was returned already.
type recall struct {
	id  uint64
	why reason
}

// returned: batcher -> agent: the lease and the sampler are the agent's again, and this is why. Sent exactly once for each lend.
type returned struct {
	id    uint64
	lease *runtime.Lease
	why   reason
	step  uint64 // that is in flight and still writes behind the lease's length; 0: none
	token int32  // byStop: the token that ended the turn; it was sampled, and is not in the lease
	err   error  // byFailure: what went wrong
}

// reason says why a lease came back.
type reason string

const (
	byStop       reason = "stop"
	byLength     reason = "length"
	byCancel     reason = "cancel" // the agent wanted it: cancelled, or a stop string appeared
	byPreemption reason = "preempt"
	byFailure    reason = "failure"
)

// need: batcher -> pool: this lease has begun its last block; stalled: it is full, and the request stands still. A granted follows in time, or a preempt.
type need struct {
	id      uint64
	stalled bool
}

// granted: pool -> batcher: more blocks for a lease. They become the batcher's.
type granted struct {
	id     uint64
	blocks []runtime.BlockID
}

// compose: batcher -> itself: start a step if the engine is idle. It stands behind what arrived meanwhile, so that this takes part.
type compose struct{}

// stepped: engine loop -> batcher: a step is done. The results are valid until the batcher submits the next.
type stepped struct {
	step    *step
	results []runtime.Result
	err     error
}

// report: batcher -> pool: what a step carried, for admission and statistics, and which leases have new full blocks now.
type report struct {
	step uint64 // its number
	stepReport
	cost     runtime.StepCost // what the batcher knows of steps now
	progress []progress
}

// progress says how many positions of a request's lease are valid.
type progress struct {
	id     uint64
	length int
}

// statsRequest: System -> pool: answer with the numbers of this moment.
type statsRequest struct{ reply chan<- Stats }

// agentsRequest: System -> pool: answer with what is known of the agents whose ids begin with prefix and pass, in any order.
type agentsRequest struct {
	prefix string
	pass   func(id string) bool
	reply  chan<- []AgentInfo
}

// cacheRequest: System -> pool: answer with the sums of this moment.
type cacheRequest struct{ reply chan<- CacheInfo }

// order: System -> pool: do this with an agent, and answer when it is done.
type order struct {
	do    orderKind
	agent string
	to    string // fork: the new one
	on    bool   // pin: whether; delete: keep what is on disk
	reply chan<- error
}

// orderKind is what can be done with an agent.
type orderKind string

const (
	saveAgent      orderKind = "save"
	hibernateAgent orderKind = "hibernate"
	forkAgent      orderKind = "fork"
	pinAgent       orderKind = "pin"
	deleteAgent    orderKind = "delete"
)

// drain: System -> pool: refuse new requests with err from now on, and close done when the last one is over and what agents know is on disk.
type drain struct {
	err  error
	done chan<- struct{}
}

// reopen: System -> pool: take new requests again, and forget who waits for the end of the drain.
type reopen struct{}

// flush: System -> pool: refuse new requests with err from now on, save what agents know at this moment, and close done.
type flush struct {
	err  error
	done chan<- struct{}
}

// tick: a timer -> pool: somebody may have been unsaved for long enough.
type tick struct{}

// save: pool -> keeper: write an agent to disk. The pool holds the blocks, and nobody writes to them, until saved answers. blocks[i] has the contents
// that manifest.Blocks[i] names.
type save struct {
	job      uint64
	manifest runtime.Manifest
	blocks   []runtime.BlockID
}

// saved: keeper -> pool: the agent is on disk, and bytes of blocks were written for it; or it is not.
type saved struct {
	job   uint64
	bytes int64
	began time.Time
	took  time.Duration
	err   error
}

// seek: pool -> keeper: is this agent saved under this name, and how many blocks are there, whoever saved them, of those with these keys?
type seek struct {
	job   uint64
	agent string
	name  string             // "": it does not matter who
	keys  []runtime.BlockKey // read only
}

// found: keeper -> pool: this is what is known of it. The manifest is sound and of this engine, or nil.
type found struct {
	job      uint64
	manifest *runtime.Manifest
	prefix   []runtime.BlockKey // the first of the keys, whose blocks are there
	foreign  bool               // another model has saved an agent of this id
	err      error              // not of kind Unknown
}

// load: pool -> keeper: read these blocks from disk. The pool holds them, and nobody else reads or writes them, until loaded answers.
type load struct {
	job    uint64
	keys   []runtime.BlockKey
	blocks []runtime.BlockID
}

// loaded: keeper -> pool: the first n blocks are read. The others are not, because of err.
type loaded struct {
	job  uint64
	n    int
	took time.Duration
	err  error
}

// amend: pool -> keeper: do this to what is on disk.
type amend struct {
	job uint64
	do  func(runtime.Store) error
}

// amended: keeper -> pool: it is done, or failed.
type amended struct {
	job uint64
	err error
}

// carriedOut: a goroutine of the keeper -> keeper: a message is carried out, and this is the answer.
type carriedOut struct{ lane lane }

// cancelAll: System -> pool: cancel whatever waits or runs.
type cancelAll struct{ err error }
