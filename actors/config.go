package actors

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
	"troupe/runtime/model"
)

// Defaults of [Config].
const (
	DefaultMaxBatch       = 64
	DefaultMaxQueue       = 1024
	DefaultMaxQueueTokens = 1 << 18
	DefaultPrefillChunk   = 512
	DefaultStreamBuffer   = 1024
	DefaultIdleSave       = 5 * time.Second
	DefaultMaxShare       = 0.5
	DefaultMaxGap         = 200 * time.Millisecond
)

// Config is what a [System] is made of. Only Engine and Model are required.
type Config struct {
	Engine runtime.Engine // owned by the system once Start succeeded; Close closes it
	Model  *model.Model

	MaxBatch int // most requests that run at once, each with at most one row in a step
	MaxQueue int // most requests that wait for admission, half of them of one agent; negative: none
	// MaxQueueTokens is how many prompt tokens may wait to be computed, if more than one request waits. 0 is DefaultMaxQueueTokens; negative: any number.
	MaxQueueTokens int
	PrefillChunk   int // most prompt tokens in a step, all requests together
	// MaxGap is how long a step should take at most while somebody decodes: prompts are cut so that it does, by what steps have taken so far. 0 is
	// DefaultMaxGap; negative: whatever they take.
	MaxGap       time.Duration
	StreamBuffer int // events a client may lag behind before it is cancelled

	// Store keeps agents on disk: idle ones hibernate there when the pool runs short, and come back with their next request. Nil: they are forgotten. It
	// is not closed by the system.
	Store runtime.Store
	// IdleSave bounds what a crash costs: what an agent knew at the end of a turn is on disk when so much time has passed, and that for writing it. 0 is
	// DefaultIdleSave; negative: agents are saved only to hibernate and at the end.
	IdleSave time.Duration
	// MaxShare is the part of the pool that an idle agent, or the idle agents of one owner together, may hold before they make room ahead of others.
	// 0 is DefaultMaxShare.
	MaxShare float64

	Logger *slog.Logger

	// Decoder makes the detokeniser of a request. Nil: that of the model's tokenizer.
	Decoder func() Decoder
	// Piece says what a token spells, so that a prompt whose text is the agent's history in other tokens can go on from that; see [runtime.Realign]. Nil:
	// what the model's tokenizer says, if it has one.
	Piece func(id int32) (text string, plain bool)
	// Dispatcher runs the actors. Nil: a pool of parked goroutines. One that is also a [Pump] runs everything, the engine included, on the goroutine of
	// whoever calls the system: that is what makes a simulation deterministic.
	Dispatcher actor.Dispatcher
	// Now is the clock; it is called from several goroutines. Nil: time.Now.
	Now func() time.Time
	// After calls f once when so much time has passed, unless it is stopped before. Nil: time.AfterFunc, or, with a Pump, never.
	After func(d time.Duration, f func()) (stop func() bool)
	// Check makes the pool check its books after every message, not only when it is idle. Always on with -race or -tags invariants.
	Check bool

	// Fatal is told when an invariant is broken: blocks are lost or in two hands. Nil: the process ends, before somebody is served another's cache.
	Fatal func(reason string)

	// trace, if set, sees every message just before its receiver.
	trace func(to string, message any)
}

// Pump is a dispatcher without workers of its own. RunOne runs one thing that was scheduled, and reports false if there was none.
type Pump interface {
	actor.Dispatcher
	RunOne() bool
}

// prepare checks a configuration and fills in what was left out.
func (c *Config) prepare() error {
	if c.Engine == nil || c.Model == nil {
		return fmt.Errorf("actors: the configuration lacks an engine or a model")
	}
	info := c.Engine.Info()
	if info.Blocks < 1 || info.BlockTokens < 1 || info.Context < 2 || info.Blocks*info.BlockTokens < 2 {
		return fmt.Errorf("actors: an engine with %d blocks of %d tokens and a context of %d cannot serve", info.Blocks, info.BlockTokens, info.Context)
	}
	fill := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	fill(&c.MaxBatch, DefaultMaxBatch)
	fill(&c.MaxQueue, DefaultMaxQueue)
	fill(&c.MaxQueueTokens, DefaultMaxQueueTokens)
	fill(&c.PrefillChunk, DefaultPrefillChunk)
	fill(&c.StreamBuffer, DefaultStreamBuffer)
	if c.IdleSave == 0 {
		c.IdleSave = DefaultIdleSave
	}
	if c.MaxGap == 0 {
		c.MaxGap = DefaultMaxGap
	}
	if c.MaxShare == 0 {
		c.MaxShare = DefaultMaxShare
	}
	if c.MaxShare < 0 || c.MaxShare > 1 {
		return fmt.Errorf("actors: max share %g must be between 0 and 1", c.MaxShare)
	}
	if c.MaxBatch < 1 || c.PrefillChunk < 1 || c.StreamBuffer < 1 {
		return fmt.Errorf("actors: max batch %d, prefill chunk %d and stream buffer %d must be positive", c.MaxBatch, c.PrefillChunk, c.StreamBuffer)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Decoder == nil {
		c.Decoder = modelDecoder(c.Model)
	}
	if c.Piece == nil && c.Model.Tokenizer != nil {
		c.Piece = c.Model.Tokenizer.Piece
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.After == nil {
		c.After = c.timer
	}
	if c.Fatal == nil {
		c.Fatal = func(reason string) { go panic("actors: " + reason) }
	}
	c.Check = c.Check || invariants
	return nil
}

// timer is After for whoever has set none.
func (c *Config) timer(d time.Duration, f func()) (stop func() bool) {
	if _, ok := c.Dispatcher.(Pump); ok {
		return func() bool { return true }
	}
	return time.AfterFunc(d, f).Stop
}

// house is what all actors share. It is immutable once the system has started.
type house struct {
	Config
	info   runtime.EngineInfo
	limits runtime.Limits
}

func newHouse(cfg Config) *house {
	info := cfg.Engine.Info()
	context := info.Context
	if cfg.Model.Context > 0 {
		context = min(context, cfg.Model.Context)
	}
	return &house{Config: cfg, info: info, limits: runtime.Limits{Context: context, Blocks: info.Blocks, BlockTokens: info.BlockTokens}}
}

// see shows a message to the trace. protoactor's own messages are not shown.
func (h *house) see(to string, message any) {
	if h.trace == nil {
		return
	}
	switch message.(type) {
	case actor.SystemMessage, actor.AutoReceiveMessage:
	default:
		h.trace(to, message)
	}
}
