package runtime

import "fmt"

// BlockState is where a block stands in the ledger.
type BlockState uint8

// The states of a block.
const (
	Free   BlockState = iota // holds nothing
	Leased                   // held by an agent whose request runs
	Cached                   // holds the KV of an idle agent; may be reclaimed
)

// Ledger knows the state of every block. Free + leased + cached == total, always; a move that is not allowed panics, since it means that two owners
// believe to hold one block.
//
// It belongs to the pool supervisor. Which blocks an agent holds is the agent's own knowledge ([Lease]).
type Ledger struct {
	state []BlockState
	free  []BlockID // every block in state Free, last in first out
	count [3]int
}

// NewLedger makes a ledger of total free blocks.
func NewLedger(total int) *Ledger {
	l := &Ledger{state: make([]BlockState, total), free: make([]BlockID, total)}
	for i := range l.free {
		l.free[i] = BlockID(total - 1 - i)
	}
	l.count[Free] = total
	return l
}

// Total returns the number of blocks.
func (l *Ledger) Total() int { return len(l.state) }

// Count returns how many blocks are in a state.
func (l *Ledger) Count(s BlockState) int { return l.count[s] }

// Take leases n free blocks, or none and false if there are fewer.
func (l *Ledger) Take(n int) ([]BlockID, bool) {
	if n < 0 || n > len(l.free) {
		return nil, false
	}
	at := len(l.free) - n
	out := append([]BlockID(nil), l.free[at:]...)
	l.free = l.free[:at]
	for _, b := range out {
		l.move(b, Free, Leased)
	}
	return out, true
}

// Give frees leased blocks.
func (l *Ledger) Give(blocks []BlockID) {
	for _, b := range blocks {
		l.move(b, Leased, Free)
		l.free = append(l.free, b)
	}
}

// Park turns leased blocks into cached ones: their agent became idle.
func (l *Ledger) Park(blocks []BlockID) {
	for _, b := range blocks {
		l.move(b, Leased, Cached)
	}
}

// Unpark turns cached blocks into leased ones: their agent runs again, or is about to give them back.
func (l *Ledger) Unpark(blocks []BlockID) {
	for _, b := range blocks {
		l.move(b, Cached, Leased)
	}
}

// Check returns an error if the sum does not hold. It looks at every block, so it is for tests and idle moments.
func (l *Ledger) Check() error {
	var got [3]int
	for _, s := range l.state {
		got[s]++
	}
	if got != l.count || got[Free] != len(l.free) {
		return fmt.Errorf("ledger: counted free %d leased %d cached %d, booked %v with %d in the free list", got[Free], got[Leased], got[Cached], l.count, len(l.free))
	}
	for _, b := range l.free {
		if l.state[b] != Free {
			return fmt.Errorf("ledger: block %d is in the free list and in state %d", b, l.state[b])
		}
	}
	return nil
}

func (l *Ledger) move(b BlockID, from, to BlockState) {
	if b < 0 || int(b) >= len(l.state) || l.state[b] != from {
		panic(fmt.Sprintf("runtime: block %d moved from state %d to %d, which it is not in", b, from, to))
	}
	l.state[b] = to
	l.count[from]--
	l.count[to]++
}
