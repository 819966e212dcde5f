package runtime

import (
	"slices"
	"time"
)

// Outlook is what is known, at the moment when somebody must be refused, of when there will be a place in the queue.
type Outlook struct {
	Running []time.Duration // until each of those that run has ended
	Round   time.Duration   // how long it takes then until as many of those that wait have ended
	Places  int             // that must become free before he has one, his own included
	Earlier Schedule        // of those who were told to come back: who comes before him takes a place too
}

// Schedule says how many come within a time from now.
type Schedule func(within time.Duration) int

// RetryAfter returns when a refused client should come back: when so many of those that run and wait have ended that he finds a place beside those who come
// earlier, between MinRetryAfter and MaxRetryAfter.
func (o Outlook) RetryAfter() time.Duration {
	if len(o.Running) == 0 || o.Places < 1 {
		return MinRetryAfter
	}
	slices.Sort(o.Running)
	n := o.Places
	for {
		t := (max(o.ends(n), MinRetryAfter) + comebackSlot - 1).Truncate(comebackSlot)
		if t >= MaxRetryAfter {
			return MaxRetryAfter
		}
		taken := o.Places + o.Earlier(t)
		if taken <= n {
			return t
		}
		n = taken
	}
}

// ends is when n have ended. Running is sorted.
func (o Outlook) ends(n int) time.Duration {
	rounds := (n - 1) / len(o.Running)
	if o.Round > 0 && rounds > int(MaxRetryAfter/o.Round) {
		return MaxRetryAfter
	}
	return o.Running[(n-1)%len(o.Running)] + time.Duration(rounds)*o.Round
}

// Answers learns how long answers are. The zero value has seen none.
type Answers struct{ length, share Average }

// Observe adds an answer that has ended, and how long it could have been.
func (a *Answers) Observe(length, most int) {
	a.length.Observe(float64(length))
	a.share.Observe(float64(length) / float64(max(most, length, 1)))
}

// Remaining returns how many tokens are expected yet of an answer of which so many are done and at most so many are left. It is expected to take the share of what it may take that others
// took, but not to be far longer than those; one that is longer than expected goes on for half of that.
func (a *Answers) Remaining(done, left int) int {
	usual := unknownAnswer
	if a.length.seen {
		usual = int(min(a.share.Value()*float64(done+left), 4*a.length.Value())) + 1
	}
	if done >= usual {
		return min(left, usual/2)
	}
	return min(left, usual-done)
}

// unknownAnswer is how long answers are taken to be, if they may, before the first has ended.
const unknownAnswer = 256

// comebackSlot is how exactly it is known when somebody comes back.
const comebackSlot = 100 * time.Millisecond

// Comebacks counts the clients who were told to come back, by when. The zero value has none.
type Comebacks struct {
	slots [MaxRetryAfter/comebackSlot + 1]int // a ring
	now   int64                               // the slot of the last call
}

// Add counts somebody who will come after a wait of at most MaxRetryAfter.
func (c *Comebacks) Add(now time.Time, wait time.Duration) {
	c.advance(now)
	c.slots[(c.now+int64(wait/comebackSlot))%int64(len(c.slots))]++
}

// Schedule returns how many will come when, but for those who are due now.
func (c *Comebacks) Schedule(now time.Time) Schedule {
	c.advance(now)
	var sums [len(c.slots)]int // [n] come in the n slots after this one
	for i := 1; i < len(sums); i++ {
		sums[i] = sums[i-1] + c.slots[(c.now+int64(i))%int64(len(c.slots))]
	}
	return func(within time.Duration) int { return sums[min(int(within/comebackSlot), len(sums)-1)] }
}

// advance forgets those whose time is over.
func (c *Comebacks) advance(now time.Time) {
	to := now.UnixNano() / int64(comebackSlot)
	if to-c.now > int64(len(c.slots)) {
		clear(c.slots[:])
		c.now = to
	}
	for ; c.now < to; c.now++ {
		c.slots[c.now%int64(len(c.slots))] = 0
	}
}

// Average is a moving average. The zero value has seen nothing.
type Average struct {
	value float64
	seen  bool
}

// Observe adds a value. The newest counts for a tenth.
func (a *Average) Observe(x float64) {
	if !a.seen {
		a.value, a.seen = x, true
		return
	}
	a.value += (x - a.value) / 10
}

// Value returns the average, or 0 before the first value.
func (a *Average) Value() float64 { return a.value }
