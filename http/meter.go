package http

import (
	"context"
	"errors"
	"time"

	"troupe/actors"
	"troupe/runtime"
)

// meter notes when the parts of one answer come, for the log and for the metrics. It belongs to the generation.
type meter struct {
	metrics *metrics
	now     func() time.Time
	model   string
	prompt  int // tokens

	came    time.Time // the request
	started time.Time // admitted, its agent has its blocks; zero until then, like the next two
	first   time.Time // token
	last    time.Time // token
	tokens  int       // generated so far
}

// see notes an event of the generation.
func (x *meter) see(e actors.Event) {
	m := x.metrics
	if e.Started {
		x.started = x.now()
		m.queued.WithLabelValues(x.model).Observe(seconds(x.came, x.started))
		m.prompt.WithLabelValues(x.model).Add(float64(x.prompt))
		m.queries.WithLabelValues(x.model).Add(float64(x.prompt))
		m.hits.WithLabelValues(x.model).Add(float64(e.Cached))
	}
	if e.Tokens <= x.tokens {
		return
	}
	now := x.now()
	if x.first.IsZero() {
		x.first = now
		m.firstToken.WithLabelValues(x.model).Observe(seconds(x.came, now))
		m.prefill.WithLabelValues(x.model).Observe(seconds(x.started, now))
	} else {
		m.betweenTokens.WithLabelValues(x.model).Observe(seconds(x.last, now))
	}
	m.generated.WithLabelValues(x.model).Add(float64(e.Tokens - x.tokens))
	x.last, x.tokens = now, e.Tokens
}

// end notes how the generation ended.
func (x *meter) end(out actors.Outcome) {
	m := x.metrics
	m.finished.WithLabelValues(x.model, finishedReason(out)).Inc()
	m.whole.WithLabelValues(x.model).Observe(seconds(x.came, x.now()))
	if !x.first.IsZero() {
		m.decode.WithLabelValues(x.model).Observe(seconds(x.first, x.last))
	}
	m.promptPerRequest.WithLabelValues(x.model).Observe(float64(x.prompt))
	m.generatedPerRequest.WithLabelValues(x.model).Observe(float64(out.OutputTokens))
	if more := out.OutputTokens - x.tokens; more > 0 { // the token that ended the turn has no event
		m.generated.WithLabelValues(x.model).Add(float64(more))
	}
}

// finishedReason is vLLM's word for how a generation ended.
func finishedReason(out actors.Outcome) string {
	switch {
	case errors.Is(out.Err, context.Canceled) || errors.Is(out.Err, context.DeadlineExceeded):
		return "abort"
	case out.Err != nil:
		return "error"
	case out.Reason == runtime.FinishLength:
		return "length"
	}
	return "stop"
}

func seconds(from, to time.Time) float64 { return to.Sub(from).Seconds() }

// attrs are the times of a generation for its line in the log: those parts that it got to.
func (x *meter) attrs() []any {
	args := []any{"took", round(x.now().Sub(x.came))}
	if !x.started.IsZero() {
		args = append(args, "queued", round(x.started.Sub(x.came)))
	}
	if !x.first.IsZero() {
		args = append(args, "first_token", round(x.first.Sub(x.came)), "decode", round(x.last.Sub(x.first)))
	}
	return args
}

// round cuts a duration to what is worth reading.
func round(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
