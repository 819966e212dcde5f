package http

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"troupe/actors"
)

// healthBody is the answer of the health endpoints.
type healthBody struct {
	Status string      `json:"status"`           // ok, starting, swapping, offloaded, draining, degraded or stuck
	Reason string      `json:"reason,omitempty"` // why it is not ok
	Model  string      `json:"model,omitempty"`
	Pool   *poolHealth `json:"pool,omitempty"`
}

// poolHealth are the numbers that say how full the server is.
type poolHealth struct {
	Blocks  int     `json:"blocks"`
	Free    int     `json:"free"`
	Leased  int     `json:"leased"` // held by requests that run
	Cached  int     `json:"cached"`
	Used    float64 `json:"used"` // leased over blocks
	Running int     `json:"running"`
	Waiting int     `json:"waiting"`
}

// fullPool is the part of the pool that running requests hold from which on the server counts as degraded.
const fullPool = 0.9

// condition says how the server is. It asks the house only as far as it must.
type condition struct {
	status, reason string
	model          string
	stats          *actors.Stats // nil: the house was not asked
}

func (c condition) ok() bool { return c.status == "ok" }

// startup is the condition of a server whose model may not be loaded yet.
func (s *Server) startup() condition {
	m, _, _ := s.shown()
	if m == nil {
		return condition{status: "starting", reason: "the model is being loaded"}
	}
	return condition{status: "ok", model: m.ID}
}

// readiness is the condition of the server for new requests: they are admitted, or wait, if it is ok.
func (s *Server) readiness() condition {
	if s.draining.Load() {
		return condition{status: "draining", reason: "the server is shutting down and finishes what it has begun"}
	}
	if h := s.host.Load(); h != nil {
		if state, reason, m := h.State(); state != actors.Ready && m != nil {
			return condition{status: string(state), reason: reason, model: m.ID}
		}
	}
	return s.startup()
}

// liveness is the condition of the process: only a new one would help if it is not ok. While it is starting it is alive.
func (s *Server) liveness(ctx context.Context) condition {
	m, ask, _ := s.shown()
	if m == nil {
		return condition{status: "ok"}
	}
	ctx, cancel := context.WithTimeout(ctx, s.statsPatience)
	defer cancel()
	stats, err := ask(ctx)
	switch {
	case s.ctx.Err() != nil: // it is ending
		return condition{status: "ok", model: m.ID}
	case err != nil:
		return condition{status: "stuck", reason: fmt.Sprintf("the actors did not answer within %s", s.statsPatience), model: m.ID}
	case stats.Stalled >= s.cfg.StuckAfter:
		reason := fmt.Sprintf("requests run and the engine made no step for %s", stats.Stalled.Round(time.Second))
		return condition{status: "stuck", reason: reason, model: m.ID, stats: &stats}
	}
	return condition{status: "ok", model: m.ID, stats: &stats}
}

// health is all of it, for a load balancer: it is not ok when other servers should be preferred.
func (s *Server) health(ctx context.Context) condition {
	live, ready := s.liveness(ctx), s.readiness()
	switch {
	case !live.ok():
		return live
	case !ready.ok():
		ready.stats = live.stats
		return ready
	case live.stats != nil && float64(live.stats.Leased) > fullPool*float64(live.stats.Blocks):
		live.status = "degraded"
		live.reason = fmt.Sprintf("running requests hold %d of %d blocks of the pool", live.stats.Leased, live.stats.Blocks)
	}
	return live
}

func (s *Server) getHealth(c *fiber.Ctx) error  { return sendHealth(c, s.health(s.ctx), true) }
func (s *Server) getLive(c *fiber.Ctx) error    { return sendHealth(c, s.liveness(s.ctx), false) }
func (s *Server) getReady(c *fiber.Ctx) error   { return sendHealth(c, s.readiness(), false) }
func (s *Server) getStartup(c *fiber.Ctx) error { return sendHealth(c, s.startup(), false) }

// getRoot answers that a server is here: Claude Code probes with HEAD /.
func (s *Server) getRoot(c *fiber.Ctx) error { return sendHealth(c, condition{status: "ok"}, false) }

// sendHealth answers 200 or 503. Unlike an error it has no dialect: probes read it.
func sendHealth(c *fiber.Ctx, h condition, withPool bool) error {
	body := healthBody{Status: h.status, Reason: h.reason, Model: h.model}
	if st := h.stats; withPool && st != nil {
		body.Pool = &poolHealth{Blocks: st.Blocks, Free: st.Free, Leased: st.Leased, Cached: st.Cached, Running: st.Running, Waiting: st.Waiting}
		if st.Blocks > 0 {
			body.Pool.Used = float64(st.Leased) / float64(st.Blocks)
		}
	}
	if h.ok() {
		return sendJSON(c, http.StatusOK, body)
	}
	c.Set(fiber.HeaderRetryAfter, "1")
	return sendJSON(c, http.StatusServiceUnavailable, body)
}
