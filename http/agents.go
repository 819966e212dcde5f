package http

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"troupe/actors"
	"troupe/runtime"
)

// agents is what the agents API asks of the house: an [actors.System], or a test's. Ids are internal ones. An id that names no agent is an error of kind
// Unknown.
type agents interface {
	// Agents returns a page of the agents whose ids begin with prefix, in order, beginning behind the id after, and the last id of the page if more follow.
	Agents(ctx context.Context, prefix, after string, limit int) (page []actors.AgentInfo, next string, err error)
	Agent(ctx context.Context, id string) (actors.AgentInfo, error)
	Save(ctx context.Context, id string) error
	Hibernate(ctx context.Context, id string) error
	Fork(ctx context.Context, from, to string) error
	Pin(ctx context.Context, id string, pinned bool) error
	Delete(ctx context.Context, id string, keepDisk bool) error
	Cache(ctx context.Context) (actors.CacheInfo, error)
}

// Sizes of a page of agents.
const (
	defaultPage = 100
	maxPage     = 1000
)

func (s *Server) agentRoutes() {
	s.app.Get("/v1/cache", s.withAgents(s.getCache))
	s.app.Get("/v1/agents", s.withAgents(s.listAgents))
	s.app.Post("/v1/agents/import", s.lockImport, s.withAgents(s.importAgent))
	s.app.Get("/v1/agents/:id", s.withAgent(s.getAgent))
	s.app.Delete("/v1/agents/:id", s.withAgent(s.deleteAgent))
	s.app.Post("/v1/agents/:id/save", s.withAgent(s.saveAgent))
	s.app.Post("/v1/agents/:id/hibernate", s.withAgent(s.hibernateAgent))
	s.app.Post("/v1/agents/:id/fork", s.withAgent(s.forkAgent))
	s.app.Post("/v1/agents/:id/pin", s.withAgent(s.pinAgent))
	s.app.Get("/v1/agents/:id/export", s.withAgent(s.exportAgent))
}

// withAgents finds the service.
func (s *Server) withAgents(h func(*fiber.Ctx, *service) error) fiber.Handler {
	return func(c *fiber.Ctx) error {
		v, err := s.current(s.ctx)
		if err != nil {
			return err
		}
		if v.agents == nil {
			return fiber.ErrNotFound
		}
		return h(c, v)
	}
}

// withAgent finds the service and the internal id of the agent in the path. An id that cannot be one, one that is not there and one of another owner get
// the same answer.
func (s *Server) withAgent(h func(*fiber.Ctx, *service, string) error) fiber.Handler {
	return s.withAgents(func(c *fiber.Ctx, v *service) error {
		id, err := url.PathUnescape(c.Params("id"))
		if err != nil || !validID(id) {
			return errNoAgent()
		}
		err = h(c, v, runtime.JoinAgent(owner(c), id))
		if runtime.KindOf(err) == runtime.Unknown {
			return errNoAgent()
		}
		return err
	})
}

func errNoAgent() error { return runtime.Errorf(runtime.Unknown, "there is no such agent") }

// agentBody describes an agent to its owner.
type agentBody struct {
	ID     string `json:"id"`
	Object string `json:"object"`
	State  string `json:"state"` // running, waiting, idle or hibernated
	Tokens int    `json:"tokens"`
	Blocks struct {
		Hot    int `json:"hot"`
		Shared int `json:"shared"`
		Disk   int `json:"disk"`
	} `json:"blocks"`
	Bytes        int64  `json:"bytes"`
	LastUsed     string `json:"last_used"`
	Requests     uint64 `json:"requests"`
	CachedTokens uint64 `json:"cached_tokens"`
	Pinned       bool   `json:"pinned"`
}

func newAgentBody(a actors.AgentInfo) agentBody {
	b := agentBody{
		ID: clientID(a.ID), Object: "agent", State: a.State, Tokens: a.Tokens, Bytes: a.Bytes,
		LastUsed: a.LastUsed.UTC().Format(time.RFC3339), Requests: a.Requests, CachedTokens: a.CachedTokens, Pinned: a.Pinned,
	}
	b.Blocks.Hot, b.Blocks.Shared, b.Blocks.Disk = a.Hot, a.Shared, a.Disk
	return b
}

// listAgents answers GET /v1/agents?after=ID&limit=N.
func (s *Server) listAgents(c *fiber.Ctx, v *service) error {
	limit := defaultPage
	if q := c.Query("limit"); q != "" {
		n, err := strconv.Atoi(q)
		if err != nil || n < 1 || n > maxPage {
			return runtime.InvalidParam("limit", "limit must be a number from 1 to %d, not %s", maxPage, textOf(q))
		}
		limit = n
	}
	after := c.Query("after")
	if after != "" && !validID(after) {
		return runtime.InvalidParam("after", "after must be the id of an agent")
	}
	page, next, err := s.agentsOf(v, owner(c), after, limit)
	if err != nil {
		return err
	}
	body := struct {
		Object  string      `json:"object"`
		Data    []agentBody `json:"data"`
		HasMore bool        `json:"has_more"`
		Next    string      `json:"next,omitempty"` // after, for the next page
	}{Object: "list", Data: make([]agentBody, len(page)), HasMore: next != "", Next: clientID(next)}
	for i, a := range page {
		body.Data[i] = newAgentBody(a)
	}
	return sendJSON(c, http.StatusOK, body)
}

// agentsOf returns a page of an owner's agents. Those of nobody are the ones without an owner in front of their ids: when keys are taken away, the agents of
// the keys stay theirs.
func (s *Server) agentsOf(v *service, owner, after string, limit int) (page []actors.AgentInfo, next string, err error) {
	if owner != "" {
		return v.agents.Agents(s.ctx, owner+"/", runtime.JoinAgent(owner, after), limit)
	}
	for next = after; ; {
		var some []actors.AgentInfo
		if some, next, err = v.agents.Agents(s.ctx, "", next, limit-len(page)); err != nil {
			return nil, "", err
		}
		for _, a := range some {
			if !strings.Contains(a.ID, "/") {
				page = append(page, a)
			}
		}
		if next == "" || len(page) == limit {
			return page, next, nil
		}
	}
}

// getAgent answers GET /v1/agents/ID.
func (s *Server) getAgent(c *fiber.Ctx, v *service, id string) error {
	a, err := v.agents.Agent(s.ctx, id)
	if err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, newAgentBody(a))
}

// saveAgent answers POST /v1/agents/ID/save: everything that the agent knows is on disk now.
func (s *Server) saveAgent(c *fiber.Ctx, v *service, id string) error {
	if err := v.agents.Save(s.ctx, id); err != nil {
		return err
	}
	return s.getAgent(c, v, id)
}

// hibernateAgent answers POST /v1/agents/ID/hibernate: the agent is on disk, and its blocks are free.
func (s *Server) hibernateAgent(c *fiber.Ctx, v *service, id string) error {
	if err := v.agents.Hibernate(s.ctx, id); err != nil {
		return err
	}
	return s.getAgent(c, v, id)
}

// forkAgent answers POST /v1/agents/ID/fork {"to": ID} with the new agent, which knows what the old one does and shares its blocks.
func (s *Server) forkAgent(c *fiber.Ctx, v *service, id string) error {
	var in struct {
		To string `json:"to"`
	}
	raw, err := s.requestBody(c)
	if err != nil {
		return err
	}
	if err := decodeBody(raw, &in); err != nil {
		return err
	}
	if !validID(in.To) {
		return errBadID("to")
	}
	to := runtime.JoinAgent(owner(c), in.To)
	if err := v.agents.Fork(s.ctx, id, to); err != nil {
		return err
	}
	return s.getAgent(c, v, to)
}

// pinAgent answers POST /v1/agents/ID/pin {"pinned": BOOL}; without a body it pins.
func (s *Server) pinAgent(c *fiber.Ctx, v *service, id string) error {
	in := struct {
		Pinned bool `json:"pinned"`
	}{Pinned: true}
	raw, err := s.requestBody(c)
	if err != nil {
		return err
	}
	if len(raw) > 0 {
		if err := decodeBody(raw, &in); err != nil {
			return err
		}
	}
	if err := v.agents.Pin(s.ctx, id, in.Pinned); err != nil {
		return err
	}
	return s.getAgent(c, v, id)
}

// deleteAgent answers DELETE /v1/agents/ID?keep_disk=BOOL.
func (s *Server) deleteAgent(c *fiber.Ctx, v *service, id string) error {
	keepDisk := false
	if q := c.Query("keep_disk"); q != "" {
		b, err := strconv.ParseBool(q)
		if err != nil {
			return runtime.InvalidParam("keep_disk", "keep_disk must be true or false, not %s", textOf(q))
		}
		keepDisk = b
	}
	if err := v.agents.Delete(s.ctx, id, keepDisk); err != nil {
		return err
	}
	return sendJSON(c, http.StatusOK, struct {
		ID      string `json:"id"`
		Object  string `json:"object"`
		Deleted bool   `json:"deleted"`
	}{clientID(id), "agent.deleted", true})
}
