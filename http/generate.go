package http

import (
	"bufio"
	"context"
	"errors"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"troupe/actors"
	"troupe/runtime"
)

// quietPings is how many pings in a row are followed by a nudge: Claude Code 2.1.19x does not count pings and gives up after 300 s.
const quietPings = 20

// generation is a call that was admitted.
type generation struct {
	*call
	requestID string
	id        string // of the answer, without the dialect's prefix
	created   time.Time
	served    string // the model that answers
	owner     string
	agent     string // as the client calls it
	pseudonym string // of the agent, for the log
	tokens    int    // of the prompt
	clipped   bool   // the context ends before max_tokens
	stream    stream
	started   *actors.Event // the first event, if it came before the first ping
	meter     meter
	span      *traced
	missed    func(actors.Miss) string // what X-Cache-Miss says of a miss
}

// explain tells why the prompt was not cached further, if there is a reason.
func (g *generation) explain(c *fiber.Ctx, m actors.Miss) {
	if why := g.missed(m); why != "" {
		c.Set("X-Cache-Miss", why)
	}
}

// handle makes the handler of a dialect's generating endpoint.
func (s *Server) handle(d dialect) fiber.Handler {
	return func(c *fiber.Ctx) error {
		body, err := s.receive(c)
		if err != nil {
			return err
		}
		// Held until the answer is complete, which for a stream is after this function.
		s.running.RLock()
		ctx, cancel := context.WithCancelCause(s.ctx)
		unwatch := watch(c.Context().Conn(), func() { cancel(errClientGone) })
		end := func() {
			unwatch()
			cancel(nil)
			s.running.RUnlock()
		}
		streaming := false
		defer func() {
			if !streaming {
				end()
			}
		}()

		v, err := s.current(ctx)
		if err != nil {
			return because(ctx, err)
		}
		g, err := s.admit(ctx, c, d, v, body)
		if err != nil {
			return because(ctx, err)
		}
		if !g.call.stream {
			text, out := g.collect()
			s.report(g, out)
			if out.Err != nil {
				return because(ctx, out.Err)
			}
			g.explain(c, out.Miss)
			return sendJSON(c, fiber.StatusOK, d.answer(g, text, out))
		}

		ping := time.NewTicker(s.cfg.PingInterval)
		if out := g.await(ping.C); out.Err != nil {
			ping.Stop()
			s.report(g, out)
			return because(ctx, out.Err)
		}
		if g.started != nil {
			g.explain(c, g.started.Miss)
		}
		c.Set(fiber.HeaderContentType, "text/event-stream; charset=utf-8")
		c.Set(fiber.HeaderCacheControl, "no-cache")
		c.Set("X-Accel-Buffering", "no") // nginx would hold the events back
		conn := c.Context().Conn()
		streaming = true
		g.span.hand(c)
		c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
			defer s.survive(g) // this goroutine is fasthttp's: a panic in it would end the process
			defer end()
			defer ping.Stop()
			events := &sse{w: w, conn: conn, timeout: s.cfg.WriteTimeout}
			out := g.write(ctx, cancel, events, d.encoder(events, g), ping.C)
			s.report(g, out)
		})
		return nil
	}
}

// receive reads the body of a request, if there is a chance that it is served.
func (s *Server) receive(c *fiber.Ctx) ([]byte, error) {
	if err := s.refused(); err != nil {
		return nil, err
	}
	return s.requestBody(c)
}

// read decodes a body.
func (s *Server) read(v *service, body []byte, parse func([]byte) (*call, error)) (*call, error) {
	in, err := parse(body)
	if err != nil {
		return nil, err
	}
	return in, s.checkModel(v, in.model)
}

// admit decodes a request and hands it to the system. An error means that nothing was generated.
func (s *Server) admit(ctx context.Context, c *fiber.Ctx, d dialect, v *service, body []byte) (*generation, error) {
	in, err := s.read(v, body, d.parse)
	if err != nil {
		return nil, err
	}
	g := &generation{
		call:      in,
		requestID: s.identify(c),
		id:        s.newID(""),
		created:   s.now(),
		served:    v.model.ID,
		owner:     owner(c),
		span:      tracedOf(c),
	}
	header := func(name string) string { return c.Get(name) }
	if g.agent, err = agentID(header, in.identity); err != nil {
		return nil, err
	}
	class, err := classOf(header)
	if err != nil {
		return nil, err
	}
	if g.agent != "" {
		c.Set("X-Agent-ID", g.agent)
	}
	if err := s.limit(c, d, g); err != nil {
		return nil, err
	}
	r, err := v.request(ctx, in)
	if err != nil {
		return nil, err
	}
	r.Agent, r.Owner, r.Class, g.tokens = runtime.JoinAgent(g.owner, g.agent), g.owner, max(class, s.classes[g.owner]), len(r.Prompt)
	r.Saved = g.span.saved()
	g.missed = func(m actors.Miss) string { return v.cacheMiss(ctx, in, r.Prompt, m) }
	g.pseudonym = runtime.Pseudonym(r.Agent)
	g.clipped = v.model.Context-g.tokens < in.maxTokens
	g.meter = meter{metrics: s.metrics, now: s.now, model: g.served, prompt: g.tokens, came: g.created}
	if g.stream, err = v.generate(ctx, r); err != nil {
		return nil, err
	}
	return g, nil
}

// collect waits for the whole answer.
func (g *generation) collect() (string, actors.Outcome) {
	var text strings.Builder
	for e := range g.stream.Events() {
		g.meter.see(e)
		text.WriteString(e.Text)
	}
	return text.String(), g.stream.Outcome()
}

// await waits until the generation has started, has failed, or its first ping is due.
func (g *generation) await(ping <-chan time.Time) actors.Outcome {
	select {
	case e, ok := <-g.stream.Events():
		if !ok {
			return g.stream.Outcome()
		}
		g.meter.see(e)
		g.started = &e
	case <-ping:
	}
	return actors.Outcome{}
}

// write sends the events of a generation until it ends, and a ping whenever one is due. If the client does not take them it cancels the generation.
func (g *generation) write(ctx context.Context, cancel context.CancelCauseFunc, w *sse, enc encoder, ping <-chan time.Time) actors.Outcome {
	if e := g.started; e != nil {
		enc.start(e.Cached)
		if e.Text != "" {
			enc.text(e.Text)
		}
	} else {
		enc.start(0)
		enc.ping()
	}
	events, quiet := g.stream.Events(), 0
	for {
		// What is there already goes out with one flush.
		if len(events) == 0 && w.flush() != nil {
			cancel(errClientGone)
			_, out := g.collect()
			return out
		}
		select {
		case e, ok := <-events:
			if !ok {
				return g.conclude(ctx, w, enc)
			}
			g.meter.see(e)
			if e.Text != "" {
				enc.text(e.Text)
				quiet = 0
			}
		case <-ping:
			enc.ping()
			if quiet++; quiet%quietPings == 0 {
				enc.nudge()
			}
		}
	}
}

// conclude sends the last events of a generation that has ended.
func (g *generation) conclude(ctx context.Context, w *sse, enc encoder) actors.Outcome {
	out := g.stream.Outcome()
	if out.Err != nil {
		enc.fail(newFailure(because(ctx, out.Err)))
	} else {
		enc.finish(out)
	}
	_ = w.flush() // a client that left in this moment has what it wanted or not; either way this is the end
	return out
}

// because replaces the error of a cancelled context with what cancelled it.
func because(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return context.Cause(ctx)
	}
	return err
}

// survive turns a panic into a line in the log.
func (s *Server) survive(g *generation) {
	if p := recover(); p != nil {
		s.log.Error("panic while streaming", "request", g.requestID, "panic", p, "stack", string(debug.Stack()))
	}
}

// report notes how a generation ended, in the metrics, in its trace, and as a line in the log. What was said is in neither, and the agent only as a hash.
func (s *Server) report(g *generation, out actors.Outcome) {
	g.meter.end(out)
	g.span.report(g, out)
	s.charge(g, out)
	args := []any{
		"request", g.requestID, "agent", g.pseudonym, "stream", g.call.stream, "prompt", g.tokens, "cached", out.CachedTokens,
		"output", out.OutputTokens, "reason", out.Reason,
	}
	args = append(args, g.meter.attrs()...)
	if out.Err != nil {
		args = append(args, "error", out.Err)
	}
	s.log.Info("generation ended", args...)
}
