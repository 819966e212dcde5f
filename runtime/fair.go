package runtime

import "fmt"

// Class says how urgent a request is. The zero value is the most urgent.
type Class uint8

// The classes of requests.
const (
	Interactive Class = iota // somebody waits for it
	SubAgent                 // an agent waits for it
	Batch                    // nobody waits
)

var classNames = [...]string{"interactive", "agent", "batch"} //nolint:gochecknoglobals // never written to

// String returns the name of a class as it appears in headers and metrics.
func (c Class) String() string { return classNames[min(int(c), len(classNames)-1)] }

// ParseClass is the opposite of String.
func ParseClass(name string) (Class, error) {
	for i, n := range classNames {
		if n == name {
			return Class(i), nil
		}
	}
	return 0, fmt.Errorf("there is no class %q; there are interactive, agent and batch", name)
}

// Price is what a token of a class costs in the eyes of [Fair]: an agent that only sends interactive requests gets eight tokens where one that only sends
// batches gets one.
func (c Class) Price() float64 { return [...]float64{1, 2, 8}[min(int(c), len(classNames)-1)] }

// Fair shares something between parties that compete for it: next is whoever has used the least, each of them counting its tokens at its price (virtual
// token counters, a form of weighted fair queueing).
//
// A clock runs beside the counters: what a party has used on average while it was active. Who comes anew or comes back enters at the clock at least, so that
// nobody saves up what he did not use, and, since the clock goes on with all that is done, nobody waits for ever behind those who come anew.
//
// The zero value is of no use; make it with NewFair.
type Fair struct {
	clock   float64
	active  int
	parties map[string]*Party
	sweep   int // number of parties from which on those without debts are forgotten
	comings uint64
}

// Party is one of those who compete.
type Party struct {
	Running  int     // how much of it is served at the moment; the caller's
	Inner    *Fair   // between whom it shares on; the caller's
	used     float64 // tokens at their price
	requests int     // that are there; it is active while there are any
	came     uint64  // when it became active last, for ties
}

// minSweep is how many parties there are before any is forgotten.
const minSweep = 64

// NewFair returns a Fair without parties.
func NewFair() *Fair { return &Fair{parties: map[string]*Party{}, sweep: minSweep} }

// Enter adds a request of a party.
func (f *Fair) Enter(name string) *Party {
	p := f.parties[name]
	if p == nil {
		p = &Party{}
		f.parties[name] = p
	}
	if p.requests == 0 {
		f.active++
		f.comings++
		p.used, p.came = max(p.used, f.clock), f.comings
	}
	p.requests++
	return p
}

// Leave ends a request of a party.
func (f *Fair) Leave(p *Party) {
	if p.requests == 0 {
		panic("runtime: a party leaves that is not there")
	}
	if p.requests--; p.requests > 0 {
		return
	}
	f.active--
	if len(f.parties) >= f.sweep {
		for name, p := range f.parties {
			if p.requests == 0 && p.used <= f.clock {
				delete(f.parties, name)
			}
		}
		f.sweep = max(minSweep, 2*len(f.parties))
	}
}

// Charge counts what an active party uses.
func (f *Fair) Charge(p *Party, cost float64) {
	p.used += cost
	f.clock += cost / float64(max(f.active, 1))
}

// Used returns what a party has used, to be compared with that of others.
func (p *Party) Used() float64 { return p.used }

// Active returns how many parties have requests.
func (f *Fair) Active() int { return f.active }

// order compares two parties of one Fair: who used less, has less that runs, came first.
func (p *Party) order(q *Party) int {
	x, y := p.standing(), q.standing()
	switch {
	case p == q:
		return 0
	case x != y:
		return sign(x < y)
	case p.Running != q.Running:
		return sign(p.Running < q.Running)
	}
	return sign(p.came < q.came)
}

// standing is what a party has used, and more if something of it runs.
func (p *Party) standing() float64 {
	if p.Running > 0 {
		return p.used + headStart
	}
	return p.used
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// Known returns how many parties are remembered, with and without requests.
func (f *Fair) Known() int { return len(f.parties) }

// Place is where a request stands among those of others.
type Place struct {
	ID           uint64 // grows with each that comes
	Owner, Agent *Party // the agent shares with the others of its owner
	Class        Class
	Paused       bool // it gave way for want of memory
}

// headStart is how many tokens more somebody may have used and still go first, if nothing of it runs and something of the other does, or if its price is one
// less. So somebody who asks for little waits for nobody who asks for much, and classes count also among those who have used nothing yet.
const headStart = 512

// Before reports whether a request goes before another one, when there is room for one of them.
//
// First are those that were paused, the oldest first: what has begun is brought to its end. One whose agent has another request that runs has no such right.
// Then it is the turn of the owner who has used the least, and of his agents of that which has used the least, the more urgent one being ahead; then of
// who has less that runs, and of who came first.
func (a Place) Before(b Place) bool {
	if a.first() != b.first() {
		return a.first()
	}
	if a.first() {
		return a.ID < b.ID
	}
	if o := a.Owner.order(b.Owner); o != 0 {
		return o < 0
	}
	used := func(p Place) float64 { return p.Agent.standing() + headStart*p.Class.Price() }
	if x, y := used(a), used(b); x != y {
		return x < y
	}
	if a.Agent.Running != b.Agent.Running {
		return a.Agent.Running < b.Agent.Running
	}
	return a.ID < b.ID
}

func (a Place) first() bool { return a.Paused && a.Agent.Running == 0 }

// GivesWayTo reports whether a request that runs should make room for one that waits. That one must have nothing that runs where this one has more: its
// agent has none and this one's has another, or its owner; or this one is a batch, and that is not. And it must be that one's turn when both wait, whether or
// not either was paused before, so that no two give way to each other.
func (a Place) GivesWayTo(b Place) bool {
	crowds := b.Agent != a.Agent && b.Agent.Running == 0 && a.Agent.Running > 1 ||
		b.Owner != a.Owner && b.Owner.Running == 0 && a.Owner.Running > 1 ||
		b.Agent != a.Agent && a.Class == Batch && b.Class != Batch
	if !crowds {
		return false
	}
	a.Paused, b.Paused = false, false
	a.Agent.Running--
	a.Owner.Running--
	defer func() {
		a.Agent.Running++
		a.Owner.Running++
	}()
	return b.Before(a)
}
