package http

import (
	"context"
	"math"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"troupe/actors"
	"troupe/runtime"
)

// Seconds that running requests may go on before a swap.
const (
	defaultSwapDrain = 30
	maxSwapDrain     = 24 * 60 * 60
)

// adminRoutes are those that change what is served. They do not exist without an admin key.
func (s *Server) adminRoutes() {
	admin := s.app.Group("/admin", s.requireAdmin)
	admin.Get("/models", s.withHost(s.getHost))
	admin.Post("/models/swap", s.withHost(s.changeBy((*actors.Host).Swap)))
	admin.Delete("/models/swap", s.withHost(s.cancelSwap))
	admin.Post("/models/load", s.withHost(s.changeBy((*actors.Host).Load)))
	admin.Post("/models/offload", s.withHost(s.changeBy((*actors.Host).Offload)))
}

// withHost finds the host.
func (s *Server) withHost(h func(*fiber.Ctx, *hosted) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		host := s.host.Load()
		if host == nil {
			if err := s.refused(); err != nil {
				return err
			}
			return fiber.ErrNotFound // one model for good
		}
		return h(c, host)
	}
}

// hostBody says what is served, and what could be.
type hostBody struct {
	State     string      `json:"state"` // ready, swapping or offloaded
	Reason    string      `json:"reason,omitempty"`
	Current   *modelBody  `json:"current,omitempty"` // in memory; none while offloaded
	Available []string    `json:"available"`
	Swap      *changeBody `json:"swap,omitempty"` // that runs
	Last      *changeBody `json:"last,omitempty"` // that is over
}

type modelBody struct {
	Name    string `json:"name"` // what swap takes
	ID      string `json:"id"`   // what clients see
	Context int    `json:"context"`
}

// changeBody is a swap, a load or an offload. Seconds count from its begin.
type changeBody struct {
	Model   string  `json:"model,omitempty"` // none: offload
	Phase   string  `json:"phase,omitempty"` // while it runs: checking, loading, draining or closing
	Result  string  `json:"result,omitempty"`
	Error   string  `json:"error,omitempty"`
	Seconds float64 `json:"seconds"`
	Gap     float64 `json:"gap_seconds"` // while requests were refused, or waited
	Stopped int     `json:"stopped"`     // requests that did not end in time
	Beside  bool    `json:"beside"`      // the model was loaded while the one before served
}

func newChangeBody(c *actors.Change, now time.Time) *changeBody {
	b := &changeBody{Model: c.Model, Phase: c.Phase, Gap: c.Gap.Seconds(), Stopped: c.Stopped, Beside: c.Beside}
	if c.Phase != "" {
		b.Seconds = now.Sub(c.Began).Seconds()
		return b
	}
	b.Result, b.Seconds = c.Result(), c.Took.Seconds()
	if c.Err != nil {
		b.Error = newFailure(c.Err).message
	}
	return b
}

// getHost answers GET /admin/models.
func (s *Server) getHost(c *fiber.Ctx, h *hosted) error {
	r, err := h.Report()
	if err != nil {
		return err
	}
	now := s.now()
	b := hostBody{State: string(r.State), Reason: r.Reason, Available: r.Available}
	if r.State != actors.Offloaded && r.Model != nil {
		b.Current = &modelBody{Name: r.Name, ID: r.Model.ID, Context: r.Model.Context}
	}
	if r.Running != nil {
		b.Swap = newChangeBody(r.Running, now)
	}
	if r.Last != nil {
		b.Last = newChangeBody(r.Last, now)
	}
	return sendJSON(c, http.StatusOK, b)
}

// changeBy answers POST /admin/models/swap, load and offload {"model": NAME, "drain": SECONDS, "queue": BOOL, "force": BOOL} when it is done. A client
// that leaves does not cancel it.
func (s *Server) changeBy(do func(*actors.Host, context.Context, actors.Wish) (actors.Change, error)) func(*fiber.Ctx, *hosted) error {
	return func(c *fiber.Ctx, h *hosted) error {
		raw, err := s.requestBody(c)
		if err != nil {
			return err
		}
		w, err := parseWish(raw)
		if err != nil {
			return err
		}
		done, err := do(h.Host, s.ctx, w)
		if err != nil {
			return err
		}
		return sendJSON(c, http.StatusOK, newChangeBody(&done, s.now()))
	}
}

// parseWish reads a body, which may be empty.
func parseWish(raw []byte) (actors.Wish, error) {
	in := struct {
		Model string  `json:"model"`
		Drain float64 `json:"drain"`
		Queue bool    `json:"queue"`
		Force bool    `json:"force"`
	}{Drain: defaultSwapDrain}
	if len(raw) > 0 {
		if err := decodeBody(raw, &in); err != nil {
			return actors.Wish{}, err
		}
	}
	if !(in.Drain >= 0 && in.Drain <= maxSwapDrain) {
		return actors.Wish{}, runtime.InvalidParam("drain", "drain must be a number of seconds from 0 to %d", maxSwapDrain)
	}
	return actors.Wish{Model: in.Model, Drain: time.Duration(math.Round(in.Drain * float64(time.Second))), Queue: in.Queue, Force: in.Force}, nil
}

// cancelSwap answers DELETE /admin/models/swap, when the old model serves again or the swap was done already.
func (s *Server) cancelSwap(c *fiber.Ctx, h *hosted) error {
	if err := h.Cancel(s.ctx); err != nil {
		return err
	}
	return s.getHost(c, h)
}
