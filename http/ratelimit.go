package http

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"golang.org/x/time/rate"

	"troupe/actors"
	"troupe/runtime"
)

// RateLimits are the most that a key, and an agent, may ask for in a minute; 0 is no limit. What was not used is saved up for one minute. Without keys all
// clients share one.
//
// A request that finds a limit of tokens not used up is served; what it computed (prompt tokens that were not cached, and the answer) is charged when it ends,
// and may leave a debt.
type RateLimits struct {
	KeyRequests, KeyTokens     int
	AgentRequests, AgentTokens int // anonymous agents are limited by their key alone
}

// limiter holds the buckets of all keys and agents.
type limiter struct {
	limits RateLimits
	mu     sync.Mutex         // protects the following fields
	keys   map[string]*meters // by owner
	agents map[string]*meters // by internal id
	sweep  int                // number of agents from which on the full buckets are thrown away
}

// meters are the two buckets of a key or an agent; nil is no limit.
type meters struct{ requests, tokens *rate.Limiter }

// quota is what is left in a bucket.
type quota struct {
	limit, remaining int
	reset            time.Duration // until it is full
}

// quotas are what is left in the scarcest bucket of each kind; nil if there is none.
type quotas struct{ requests, tokens *quota }

// limited is a refusal by a rate limit.
type limited struct {
	error
	tokens bool // it was the tokens
}

// Unwrap returns the error itself.
func (l limited) Unwrap() error { return l.error }

// validate returns what is wrong with limits that a user wrote.
func (l RateLimits) validate() error {
	if min(l.KeyRequests, l.KeyTokens, l.AgentRequests, l.AgentTokens) < 0 {
		return fmt.Errorf("a rate limit must not be negative")
	}
	return nil
}

// limit counts a request in the buckets of its key and its agent, refuses it if one is empty, and tells the client what is left.
func (s *Server) limit(c *fiber.Ctx, d dialect, g *generation) error {
	if s.limiter == nil {
		return nil
	}
	now := s.now()
	left, err := s.limiter.take(now, g.owner, runtime.JoinAgent(g.owner, g.agent))
	d.limitHeaders(left, now, func(name, value string) { c.Set(name, value) })
	return err
}

// charge counts what a generation computed.
func (s *Server) charge(g *generation, out actors.Outcome) {
	if s.limiter != nil && !g.meter.started.IsZero() {
		s.limiter.charge(s.now(), g.owner, runtime.JoinAgent(g.owner, g.agent), out.PromptTokens-out.CachedTokens+out.OutputTokens)
	}
}

// minSweep is how many agents have buckets before anything is thrown away.
const minSweep = 4096

// newLimiter returns nil if nothing is limited.
func newLimiter(l RateLimits) *limiter {
	if l == (RateLimits{}) {
		return nil
	}
	return &limiter{limits: l, keys: map[string]*meters{}, agents: map[string]*meters{}, sweep: minSweep}
}

// take counts a request of an agent, or refuses it. What is left is valid in both cases.
func (l *limiter) take(now time.Time, owner, agent string) (quotas, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	scopes := l.scopes(now, owner, agent)
	for _, m := range scopes {
		for _, b := range []struct {
			bucket *rate.Limiter
			tokens bool
		}{{m.requests, false}, {m.tokens, true}} {
			if b.bucket == nil || b.bucket.TokensAt(now) >= 1 {
				continue
			}
			what := "requests"
			if b.tokens {
				what = "tokens"
			}
			err := runtime.Errorf(runtime.Busy, "the limit of %d %s a minute is used up", b.bucket.Burst(), what)
			err.RetryAfter = until(b.bucket, now, 1)
			return left(now, scopes), coded{limited{err, b.tokens}, "rate_limit_exceeded"}
		}
	}
	for _, m := range scopes {
		if m.requests != nil {
			m.requests.AllowN(now, 1)
		}
	}
	return left(now, scopes), nil
}

// charge counts tokens that were computed. They may be more than there are.
func (l *limiter) charge(now time.Time, owner, agent string, tokens int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.scopes(now, owner, agent) {
		if m.tokens == nil {
			continue
		}
		for n := tokens; n > 0; {
			part := min(n, m.tokens.Burst()) // a limiter refuses more than that at once
			m.tokens.ReserveN(now, part)
			n -= part
		}
	}
}

// scopes returns the meters that a request counts in. The lock is held.
func (l *limiter) scopes(now time.Time, owner, agent string) []*meters {
	var out []*meters
	if l.limits.KeyRequests > 0 || l.limits.KeyTokens > 0 {
		out = append(out, find(l.keys, owner, l.limits.KeyRequests, l.limits.KeyTokens))
	}
	if agent != "" && (l.limits.AgentRequests > 0 || l.limits.AgentTokens > 0) {
		if len(l.agents) >= l.sweep {
			l.forget(now)
		}
		out = append(out, find(l.agents, agent, l.limits.AgentRequests, l.limits.AgentTokens))
	}
	return out
}

func find(m map[string]*meters, name string, requests, tokens int) *meters {
	if m[name] == nil {
		m[name] = &meters{requests: bucket(requests), tokens: bucket(tokens)}
	}
	return m[name]
}

func bucket(perMinute int) *rate.Limiter {
	if perMinute == 0 {
		return nil
	}
	return rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)
}

// forget throws away the agents whose buckets are full: new ones would be the same.
func (l *limiter) forget(now time.Time) {
	full := func(b *rate.Limiter) bool { return b == nil || b.TokensAt(now) >= float64(b.Burst()) }
	for id, m := range l.agents {
		if full(m.requests) && full(m.tokens) {
			delete(l.agents, id)
		}
	}
	l.sweep = max(minSweep, 2*len(l.agents))
}

func left(now time.Time, scopes []*meters) quotas {
	var q quotas
	for _, m := range scopes {
		q.requests, q.tokens = scarcer(q.requests, m.requests, now), scarcer(q.tokens, m.tokens, now)
	}
	return q
}

func scarcer(q *quota, b *rate.Limiter, now time.Time) *quota {
	if b == nil {
		return q
	}
	remaining := max(0, int(b.TokensAt(now)))
	if q != nil && q.remaining <= remaining {
		return q
	}
	return &quota{limit: b.Burst(), remaining: remaining, reset: until(b, now, float64(b.Burst()))}
}

// until is how long it takes until a bucket has n.
func until(b *rate.Limiter, now time.Time, n float64) time.Duration {
	missing := n - b.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(math.Ceil(missing/float64(b.Limit())*1000)) * time.Millisecond
}

// limitHeaders names them as the Anthropic API does.
func (anthropic) limitHeaders(q quotas, now time.Time, set func(name, value string)) {
	for _, x := range []struct {
		name string
		*quota
	}{{"Requests", q.requests}, {"Tokens", q.tokens}} {
		if x.quota != nil {
			prefix := "Anthropic-Ratelimit-" + x.name
			set(prefix+"-Limit", fmt.Sprint(x.limit))
			set(prefix+"-Remaining", fmt.Sprint(x.remaining))
			set(prefix+"-Reset", now.Add(x.reset).UTC().Format(time.RFC3339))
		}
	}
}

// limitHeaders names them as the OpenAI API does.
func (openai) limitHeaders(q quotas, _ time.Time, set func(name, value string)) {
	for _, x := range []struct {
		name string
		*quota
	}{{"Requests", q.requests}, {"Tokens", q.tokens}} {
		if x.quota != nil {
			set("X-Ratelimit-Limit-"+x.name, fmt.Sprint(x.limit))
			set("X-Ratelimit-Remaining-"+x.name, fmt.Sprint(x.remaining))
			set("X-Ratelimit-Reset-"+x.name, x.reset.String())
		}
	}
}
