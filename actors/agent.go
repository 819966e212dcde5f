package actors

import (
	"log/slog"

	"github.com/asynkron/protoactor-go/actor"

	"troupe/runtime"
)

// agent is one conversation while it is spoken to. It owns the tokens of its request, and, while that runs and is not lent, the lease.
//
// Between requests the pool keeps both, as a [memory], and hands the lease out again with the next prompt. An agent that fails is restarted: the old
// instance ends its request, the new one sends home whatever blocks still arrive for the old request.
type agent struct {
	*house
	name    string // for traces
	label   string // for the log, without the id
	batcher *actor.PID
	job     *job // the request that runs or is paused; nil when idle
}

// job is the request that an agent answers.
type job struct {
	id      uint64
	request Request
	stream  *Stream
	end     int // most positions that it will need

	decoder Decoder
	stops   *runtime.StopMatcher
	sampler *runtime.Sampler // the batcher's while lent

	lease  *runtime.Lease // nil while lent or paused
	lent   bool
	step   uint64             // that may still write behind the lease's length
	tokens []int32            // prompt and output so far; only ever appended to
	keys   []runtime.BlockKey // of the first full blocks of tokens
	left   int                // tokens that may still be generated

	outcome Outcome
	decided bool // outcome is final; only the lease is awaited
}

// Receive implements actor.Actor.
func (a *agent) Receive(ctx actor.Context) {
	defer a.logPanic(a.label)
	a.see(a.name, ctx.Message())
	switch m := ctx.Message().(type) {
	case *prompt:
		a.begin(ctx, m)
	case *resume:
		if !a.has(m.id) {
			ctx.Send(ctx.Parent(), &surplus{id: m.id, blocks: m.lease.Blocks})
			return
		}
		a.job.lease = m.lease
		a.lend(ctx)
	case *sampled:
		if a.has(m.id) && !a.job.decided {
			a.take(ctx, m.token)
		}
	case *returned:
		a.takeBack(ctx, m)
	case *cancel:
		if a.has(m.id) && !a.job.decided {
			a.decide(ctx, "", m.err)
		}
	case *preempt:
		if a.has(m.id) && a.job.lent && !a.job.decided {
			ctx.Send(a.batcher, &recall{id: m.id, why: byPreemption})
		}
	case *actor.Restarting:
		a.fail(ctx)
	case *actor.Stopping:
		if a.job != nil {
			a.job.outcome.Err = errClosed()
			a.job.stream.finish(a.job.outcome)
		}
	}
}

func (a *agent) has(id uint64) bool { return a.job != nil && a.job.id == id }

// begin takes a request on: what the lease holds of the prompt is cached, and the rest is lent to be computed.
func (a *agent) begin(ctx actor.Context, m *prompt) {
	n := len(m.request.Prompt)
	j := &job{
		id: m.id, request: m.request, stream: m.stream, lease: m.lease, keys: m.keys,
		tokens: append(make([]int32, 0, n+min(m.outputs, 256)), m.request.Prompt...),
		left:   m.outputs, end: runtime.End(n, m.outputs),
		outcome: Outcome{PromptTokens: n, CachedTokens: m.lease.Length, Miss: m.miss},
	}
	a.job = j
	j.decoder = a.Decoder()
	j.sampler = runtime.NewSampler(m.request.Sampling, j.tokens)
	stops, err := runtime.NewStopMatcher(m.request.Stops)
	j.stops = stops
	if err != nil {
		a.decide(ctx, "", err)
		return
	}
	if !j.stream.emit(Event{Started: true, Cached: j.outcome.CachedTokens, Miss: m.miss}) {
		a.decide(ctx, "", errSlow(cap(j.stream.events)))
		return
	}
	a.lend(ctx)
}

// lend passes the lease and the sampler to the batcher until it returns them.
func (a *agent) lend(ctx actor.Context) {
	j := a.job
	m := &lend{
		id: j.id, agent: ctx.Self(), lease: j.lease, sampler: j.sampler, tokens: j.tokens[j.lease.Length:len(j.tokens):len(j.tokens)],
		outputs: j.left, end: j.end, ignoreEOS: j.request.IgnoreEOS,
		owner: j.request.Owner, party: j.request.party(), class: j.request.Class,
	}
	j.lease, j.lent = nil, true
	ctx.Send(a.batcher, m)
}

// take adds a sampled token to the answer.
func (a *agent) take(ctx actor.Context, token int32) {
	j := a.job
	j.tokens = append(j.tokens, token)
	j.left--
	j.outcome.OutputTokens++
	text, found := j.stops.Push(j.decoder.Push(token))
	switch {
	case !j.stream.emit(Event{Text: text, Tokens: j.outcome.OutputTokens}):
		a.decide(ctx, "", errSlow(cap(j.stream.events)))
	case found != "":
		j.outcome.StopString = found
		a.decide(ctx, runtime.FinishString, nil)
	}
}

// takeBack receives the lease from the batcher.
func (a *agent) takeBack(ctx actor.Context, m *returned) {
	if !a.has(m.id) {
		ctx.Send(ctx.Parent(), &surplus{id: m.id, blocks: m.lease.Blocks, step: m.step})
		return
	}
	j := a.job
	j.lease, j.lent, j.step = m.lease, false, m.step
	switch {
	case j.decided:
		a.settle(ctx)
	case m.why == byPreemption:
		lease := j.lease
		j.lease = nil
		n := len(j.tokens)
		ctx.Send(ctx.Parent(), &paused{id: j.id, tokens: j.tokens[:n:n], keys: a.keys(n), lease: lease, step: m.step})
	case m.why == byStop:
		j.tokens = append(j.tokens, m.token)
		j.outcome.OutputTokens++
		a.finishText(ctx, runtime.FinishStop)
	case m.why == byLength:
		a.finishText(ctx, runtime.FinishLength)
	default:
		a.decide(ctx, "", m.err)
	}
}

// finishText releases the text that was held back. A stop string may still hide in it.
func (a *agent) finishText(ctx actor.Context, why runtime.FinishReason) {
	j := a.job
	text, found := j.stops.Push(j.decoder.Flush())
	if found != "" {
		why, j.outcome.StopString = runtime.FinishString, found
	} else {
		text += j.stops.Flush()
	}
	if text != "" && !j.stream.emit(Event{Text: text, Tokens: j.outcome.OutputTokens}) {
		a.decide(ctx, "", errSlow(cap(j.stream.events)))
		return
	}
	a.decide(ctx, why, nil)
}

// decide makes the outcome final. The request is over as soon as the lease is here.
func (a *agent) decide(ctx actor.Context, why runtime.FinishReason, err error) {
	j := a.job
	j.decided = true
	j.outcome.Reason, j.outcome.Err = why, err
	if j.lent {
		ctx.Send(a.batcher, &recall{id: j.id, why: byCancel})
		return
	}
	a.settle(ctx)
}

// settle ends the request: the lease goes to the pool, cut to what is both valid and known, and then the stream is closed; so the client's next
// request finds the agent idle.
func (a *agent) settle(ctx actor.Context) {
	j := a.job
	m := &ended{id: j.id, lease: j.lease, step: j.step}
	if j.lease != nil && keeps(j.outcome.Err) {
		// The last token is usually sampled and not computed; after a stop string or a cancel, tokens may be computed and not known.
		n := min(j.lease.Length, len(j.tokens))
		j.lease.Length = n
		m.tokens, m.keys = j.tokens[:n:n], a.keys(n)
	}
	a.job = nil
	ctx.Send(ctx.Parent(), m)
	j.stream.finish(j.outcome)
}

// keys returns the keys of the full blocks among the first n tokens.
func (a *agent) keys(n int) []runtime.BlockKey {
	j := a.job
	if keys := runtime.Chain(a.info.Tag, j.request.Owner, a.info.BlockTokens, j.tokens[:n], j.keys); len(keys) > len(j.keys) {
		j.keys = keys
	}
	return j.keys[: n/a.info.BlockTokens : n/a.info.BlockTokens]
}

// keeps reports whether the history of a request that ended like this is worth keeping: the client left or got its answer, or the server had no time to
// finish it.
func keeps(err error) bool {
	kind := runtime.KindOf(err)
	return err == nil || isContext(err) || kind == runtime.Draining || kind == runtime.Swapping
}

// fail ends the request of an instance that panicked. If the lease is lent, the next instance will send it home.
func (a *agent) fail(ctx actor.Context) {
	j := a.job
	if j == nil {
		return
	}
	a.job = nil
	if j.lent {
		ctx.Send(a.batcher, &recall{id: j.id, why: byCancel})
	}
	ctx.Send(ctx.Parent(), &ended{id: j.id, lease: j.lease, step: j.step})
	a.Logger.Error("agent failed; its request ends and its history is forgotten", slog.String("agent", a.label), slog.Uint64("request", j.id))
	if !j.decided {
		j.outcome.Err = runtime.Errorf(runtime.Internal, "the agent failed on this request")
	}
	j.stream.finish(j.outcome)
}
