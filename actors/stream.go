package actors

import (
	"context"
	"fmt"
	"time"

	"troupe/runtime"
)

// Request is one prompt to be answered.
type Request struct {
	Agent     string // validated id of the agent; "" is anonymous
	Owner     string // whose it is; owners share no blocks. Of a request with an agent it is the agent's
	Class     runtime.Class
	Prompt    []int32 // must not change until the stream has ended
	Sampling  runtime.Sampling
	MaxTokens int // 0: as many as the context allows; more than that is capped
	Stops     []string
	IgnoreEOS bool

	// Saved, if set, is told when what this request left its agent with was written to disk, or could not be: after its end, or while it is paused. It must not block,
	// and is not called if another request of the agent comes before.
	Saved func(SaveReport)
}

// SaveReport says how a save went.
type SaveReport struct {
	Began time.Time
	Took  time.Duration
	Bytes int64 // of blocks that were written
	Err   error
}

// party is who the request is when agents compete: its agent, or all that is anonymous of its owner.
func (r *Request) party() string {
	if r.Agent != "" {
		return r.Agent
	}
	return r.Owner + "/"
}

// Miss says why a prompt was not cached further than it was, if its agent is one that could have known more.
type Miss struct {
	Position int // of the first token that is not what the agent knew; or up to where it was still there
	Why      string
}

// Why tokens were computed that an agent could have known.
const (
	MissNew     = "new agent"
	MissTag     = "tag"           // what it knew was computed by another model, or kept in another form
	MissTokens  = "tokens differ" // from Position on
	MissEvicted = "evicted"       // others needed the room, and there was none on disk
	MissDamaged = "damaged"       // what is on disk from Position on cannot be read
)

// Event is a step of a generation.
type Event struct {
	Started bool   // the first event: the agent has its blocks, and Cached is known
	Cached  int    // prompt tokens that need not be computed; with Started
	Miss    Miss   // why not more; with Started
	Text    string // text that became certain; may be empty
	Tokens  int    // tokens generated so far
}

// Outcome says how a generation ended.
type Outcome struct {
	Reason       runtime.FinishReason // if Err is nil
	StopString   string               // the stop string that was found, with runtime.FinishString
	PromptTokens int
	CachedTokens int  // of the prompt, that were not computed for this request: from the agent's own history, or shared with others
	Miss         Miss // why not more
	OutputTokens int  // as sampled, the one that ended the turn included
	// Err is nil if the generation ended well. It wraps the context's error if the client left, and a *runtime.Error otherwise.
	Err error
}

// Stream is the answer to one request while it is made.
type Stream struct {
	events  chan Event
	stop    func(error) // cancels the request
	release func() bool // forgets the context

	// The fields below belong to whoever owns the request: the pool, then its agent. The reader sees outcome once events is closed.
	outcome Outcome
	ended   bool
}

// Events brings what happens, in order. It is closed when the request is over. A reader that falls behind by the whole buffer loses its request.
func (s *Stream) Events() <-chan Event { return s.events }

// Outcome says how it ended. It is valid once Events is closed.
func (s *Stream) Outcome() Outcome { return s.outcome }

// Cancel ends the request as if its context had been cancelled. It may be called from anywhere, more than once, and after the end.
func (s *Stream) Cancel() { s.stop(context.Canceled) }

// emit adds an event. It reports false if the reader is too far behind.
func (s *Stream) emit(e Event) bool {
	select {
	case s.events <- e:
		return true
	default:
		return false
	}
}

// finish ends the stream; the first call counts.
func (s *Stream) finish(o Outcome) {
	if s.ended {
		return
	}
	s.ended = true
	s.outcome = o
	s.release()
	close(s.events)
}

// errSlow ends a request whose stream is full. It counts as a client that left.
func errSlow(events int) error {
	return fmt.Errorf("the client is %d events behind: %w", events, context.Canceled)
}
