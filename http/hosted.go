package http

import (
	"context"

	"troupe/actors"
	"troupe/runtime/model"
)

// hosted serves whatever a host has in memory at the moment of a request.
type hosted struct {
	*actors.Host
	archive func(*actors.System) Archive // nil: agents cannot be exported and imported
}

// serving is what there is to serve while a system does.
func (h *hosted) serving(system *actors.System) *service {
	v := &service{
		model:    system.Model,
		generate: func(ctx context.Context, r actors.Request) (stream, error) { return system.Generate(ctx, r) },
		stats:    h.Stats,
		agents:   &hostedAgents{system, h.Host},
	}
	if h.archive != nil {
		v.archive = h.archive(system)
	}
	return v
}

// hostedAgents are the agents of a system, and the sums of its host.
type hostedAgents struct {
	*actors.System
	host *actors.Host
}

// Cache has the counters of the systems before too.
func (a *hostedAgents) Cache(ctx context.Context) (actors.CacheInfo, error) { return a.host.Cache(ctx) }

// AttachHost gives the server whatever model the host has, at any time; it must have one now. Without an archive, agents cannot be exported and imported. The
// caller keeps ownership of all. With an admin key, /admin/models can change the model.
func (s *Server) AttachHost(h *actors.Host, archive func(*actors.System) Archive) {
	s.host.Store(&hosted{h, archive})
}

// refused returns why a request cannot be served now. If there is no reason it may still have to wait.
func (s *Server) refused() error {
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	if h := s.host.Load(); h != nil {
		return h.Refusal()
	}
	_, err := s.current(s.ctx)
	return err
}

// known returns the service also while it takes no requests because of a swap.
func (s *Server) known() (*service, error) {
	if h := s.host.Load(); h != nil && s.ctx.Err() == nil {
		if system := h.System(); system != nil {
			return h.serving(system), nil
		}
	}
	return s.current(s.ctx)
}

// shown is the model of this moment, or the one that was there last, and who has the numbers; nil: none was there yet. Of agents only while there is a
// system that has some.
func (s *Server) shown() (m *model.Model, stats func(context.Context) (actors.Stats, error), of agents) {
	if h := s.host.Load(); h != nil {
		if system := h.System(); system != nil {
			of = &hostedAgents{system, h.Host}
		}
		_, _, m = h.State()
		return m, h.Stats, of
	}
	if v := s.service.Load(); v != nil {
		return v.model, v.stats, v.agents
	}
	return nil, nil, nil
}
