package runtime

import "time"

// Bounds of how long a refused client is told to wait.
const (
	MinRetryAfter = time.Second
	MaxRetryAfter = 50 * time.Second
)

// Limits says what one request may take.
type Limits struct {
	Context     int // most positions of one agent that model and engine allow
	Blocks      int // blocks in the pool
	BlockTokens int
}

// Positions returns the most positions that one request can ever have: the context, or the pool if it is smaller.
func (l Limits) Positions() int { return min(l.Context, l.Blocks*l.BlockTokens) }

// CheckPrompt returns an error if a prompt of n tokens could not be answered by a single token even if nobody else were served.
func (l Limits) CheckPrompt(n int) error {
	switch {
	case n == 0:
		return InvalidParam("messages", "the prompt is empty: it needs at least one token")
	case n+1 > l.Context: // clients look for this wording; see facts/api.md
		return InvalidParam("messages", "prompt is too long: %d tokens > %d maximum", n, l.Context-1)
	case n+1 > l.Blocks*l.BlockTokens:
		return Errorf(TooLarge, "the prompt has %d tokens, and the KV memory of this server holds %d: shorten it, or start the server with more --kv-memory", n, l.Blocks*l.BlockTokens-1)
	}
	return nil
}

// Outputs returns how many tokens may be generated after a prompt of n tokens: what was asked for (0: no limit), capped by the positions that are left.
func (l Limits) Outputs(n, asked int) int {
	left := l.Positions() - n
	if asked > 0 {
		return min(asked, left)
	}
	return left
}

// End returns how many positions of KV a request needs at most. The last token that is generated needs none.
func End(prompt, outputs int) int { return prompt + outputs - 1 }

// Grant returns how many blocks a request gets when n of its tokens are known and it will need end positions at most: those for its tokens and one
// ahead, so that it can decode while the next one is asked for.
func (l Limits) Grant(n, end int) int {
	return min(l.blocksFor(n)+1, l.blocksFor(max(end, n)))
}

// WantsBlock reports whether a lease should ask for its next block: it has begun to fill its last one and will need more.
func WantsBlock(l *Lease, end int) bool {
	return l.Capacity() < end && l.Room() < l.BlockTokens
}

func (l Limits) blocksFor(n int) int { return (n + l.BlockTokens - 1) / l.BlockTokens }

// Pace is a moving average of a speed. The zero value has seen nothing.
type Pace struct{ perSecond float64 }

// Observe adds a measurement. The newest counts for a fifth.
func (p *Pace) Observe(tokens int, took time.Duration) {
	if tokens <= 0 || took <= 0 {
		return
	}
	now := float64(tokens) / took.Seconds()
	if p.perSecond == 0 {
		p.perSecond = now
		return
	}
	p.perSecond += (now - p.perSecond) / 5
}

// PerSecond returns the average, or 0 before the first measurement.
func (p *Pace) PerSecond() float64 { return p.perSecond }

// Queue holds requests that wait, in order of arrival. The zero value is empty.
type Queue[T comparable] struct{ items []T }

// Len returns how many wait.
func (q *Queue[T]) Len() int { return len(q.items) }

// Push adds one at the end.
func (q *Queue[T]) Push(x T) { q.items = append(q.items, x) }

// At returns the one with n others before it.
func (q *Queue[T]) At(n int) T { return q.items[n] }

// Remove takes one out, wherever it stands, and reports whether it was there.
func (q *Queue[T]) Remove(x T) bool {
	for i, y := range q.items {
		if x == y {
			q.items = append(q.items[:i], q.items[i+1:]...)
			return true
		}
	}
	return false
}

// All calls f for each that waits, in order.
func (q *Queue[T]) All(f func(T)) {
	for _, x := range q.items {
		f(x)
	}
}
