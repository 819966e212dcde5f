package http

import (
	"github.com/gofiber/fiber/v2"
)

// healthBody is the answer of the health endpoints.
type healthBody struct {
	Status string `json:"status"`           // ok, starting or draining
	Reason string `json:"reason,omitempty"` // why it is not ok
	Model  string `json:"model,omitempty"`
}

// live answers that the process is there, whatever it can do.
func (s *Server) live(c *fiber.Ctx) error {
	return sendJSON(c, fiber.StatusOK, healthBody{Status: "ok"})
}

// ready answers 200 if a request would be admitted now as far as the server's state goes, and 503 with the reason while it is starting or draining.
func (s *Server) ready(c *fiber.Ctx) error {
	v := s.service.Load()
	switch {
	case s.draining.Load():
		return s.notReady(c, healthBody{Status: "draining", Reason: "the server is shutting down and finishes what it has begun"})
	case v == nil:
		return s.notReady(c, healthBody{Status: "starting", Reason: "the model is being loaded"})
	}
	return sendJSON(c, fiber.StatusOK, healthBody{Status: "ok", Model: v.model.ID})
}

// notReady answers 503. Unlike an error it has no dialect: probes read it.
func (s *Server) notReady(c *fiber.Ctx, body healthBody) error {
	c.Set(fiber.HeaderRetryAfter, "1")
	return sendJSON(c, fiber.StatusServiceUnavailable, body)
}
