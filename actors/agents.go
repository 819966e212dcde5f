package actors

import (
	"context"
	"slices"
	"strings"

	"troupe/runtime"
)

// Agents lists the agents whose ids begin with owner, in lexical order: up to limit of those after an id, in the pool or on disk. next is the after of the
// page that follows, and empty if this is the last one.
func (s *System) Agents(ctx context.Context, owner, after string, limit int) (page []AgentInfo, next string, err error) {
	if limit < 1 {
		return nil, "", runtime.InvalidParam("limit", "limit must be at least 1, and is %d", limit)
	}
	all, err := s.agents(ctx, owner, func(id string) bool { return id > after })
	if err != nil || len(all) == 0 {
		return nil, "", err
	}
	if len(all) > limit {
		all, next = all[:limit], all[limit-1].ID
	}
	return all, next, nil
}

// Agent returns what is known of one agent, or an error of kind Unknown.
func (s *System) Agent(ctx context.Context, id string) (AgentInfo, error) {
	all, err := s.agents(ctx, id, func(x string) bool { return x == id })
	if err == nil && len(all) == 0 {
		err = unknownAgent(id)
	}
	if err != nil {
		return AgentInfo{}, err
	}
	return all[0], nil
}

func unknownAgent(id string) error {
	_, name := runtime.SplitAgent(id)
	return runtime.Errorf(runtime.Unknown, "there is no agent %q", name)
}

// agents puts together what the pool and the store know of the agents whose ids begin with prefix and pass.
func (s *System) agents(ctx context.Context, prefix string, pass func(id string) bool) ([]AgentInfo, error) {
	hot, err := query(ctx, s, func(reply chan<- []AgentInfo) any { return &agentsRequest{prefix: prefix, pass: pass, reply: reply} })
	if err != nil {
		return nil, err
	}
	var saved []runtime.Saved
	if s.Store != nil {
		saved = s.Store.List()
	}
	known := map[string]*AgentInfo{}
	for i := range hot {
		known[hot[i].ID] = &hot[i]
	}
	for _, m := range saved {
		id, ours := agentOf(m.Agent, s.info.Tag)
		if !ours || !strings.HasPrefix(id, prefix) || !pass(id) {
			continue
		}
		a := known[id]
		if a == nil {
			a = &AgentInfo{ID: id}
			known[id] = a
		}
		a.Disk, a.Bytes = m.Blocks, a.Bytes+m.Bytes
		if a.State == "" {
			a.State, a.Tokens, a.Pinned, a.LastUsed = stateHibernated, m.Length, m.Pinned, later(a.LastUsed, m.SavedAt)
		}
	}
	all := make([]AgentInfo, 0, len(known))
	for _, a := range known {
		if a.State != "" { // what is neither in the pool nor on disk is not there any more
			all = append(all, *a)
		}
	}
	slices.SortFunc(all, func(a, b AgentInfo) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// Save writes to disk what an agent knows; while it runs, what it knew before and what is computed of its prompt. The errors of this and the methods below
// are of kind Unknown if there is no such agent, Conflict if it runs and must not, Invalid if it cannot be done at all, or what the store says.
func (s *System) Save(ctx context.Context, id string) error {
	return s.order(ctx, &order{do: saveAgent, agent: id})
}

// Hibernate writes an idle agent to disk and frees its blocks. It comes back with its next request.
func (s *System) Hibernate(ctx context.Context, id string) error {
	return s.order(ctx, &order{do: hibernateAgent, agent: id})
}

// Fork makes a new agent that knows what another one knows, and shares its blocks. Of one that runs it takes what is computed of the prompt.
func (s *System) Fork(ctx context.Context, from, to string) error {
	return s.order(ctx, &order{do: forkAgent, agent: from, to: to})
}

// Pin says whether an agent makes room for others only when nobody else is left, and is spared by the budget of the disk.
func (s *System) Pin(ctx context.Context, id string, pinned bool) error {
	return s.order(ctx, &order{do: pinAgent, agent: id, on: pinned})
}

// Delete forgets an idle agent in the pool, and on disk too unless keepDisk is set.
func (s *System) Delete(ctx context.Context, id string, keepDisk bool) error {
	return s.order(ctx, &order{do: deleteAgent, agent: id, on: keepDisk})
}

func (s *System) order(ctx context.Context, o *order) error {
	err, failed := query(ctx, s, func(reply chan<- error) any { o.reply = reply; return o })
	if failed != nil {
		return failed
	}
	return err
}

// Cache returns the sums over all agents.
func (s *System) Cache(ctx context.Context) (CacheInfo, error) {
	c, err := query(ctx, s, func(reply chan<- CacheInfo) any { return &cacheRequest{reply: reply} })
	if err != nil || s.Store == nil {
		return c, err
	}
	c.Disk = s.Store.Usage()
	for _, m := range s.Store.List() {
		if _, ours := agentOf(m.Agent, s.info.Tag); ours {
			c.AgentsSaved++
		}
	}
	return c, nil
}

// query sends the pool a message that asks something and returns the answer.
func query[T any](ctx context.Context, s *System, message func(reply chan<- T) any) (v T, err error) {
	reply := make(chan T, 1)
	s.actors.Root.Send(s.pool, message(reply))
	v, ok := await(s, ctx.Done(), reply)
	switch {
	case ok:
		return v, nil
	case ctx.Err() != nil:
		return v, ctx.Err()
	}
	return v, s.closedErr()
}

// SavedName is under which name the store has an agent of this engine.
func (s *System) SavedName(id string) string { return savedName(id, s.info.Tag) }

// Tag is that of the engine: what the cache of an agent must have been computed with.
func (s *System) Tag() string { return s.info.Tag }
