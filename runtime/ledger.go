package runtime

import "fmt"

// BlockState is where a block stands in the ledger.
type BlockState uint8

// The states of a block.
const (
	Free   BlockState = iota // holds nothing
	Leased                   // a request that runs refers to it
	Cached                   // holds KV that may be of use: of an idle agent, or found by its key in the prefix index
)

// Ledger knows who refers to every block and which full blocks can be found by their contents. Free + leased + cached == total, always; a move that is
// not allowed panics, since it means that two owners believe to hold one block.
//
// There are two kinds of reference: leases, of requests that run, and holds, of whatever is at rest: idle agents, reads and writes to disk. A block may
// have any number of both. Whoever has the only reference to a block that is not published may write to it; all others only read.
//
// A published block is in the prefix index: it is full, computed, and never written again. When nobody refers to it any more it is loose: it stays in the
// index until Take needs it, the coldest first.
//
// The ledger belongs to the pool supervisor. Which blocks make up an agent's context is said by its [Lease].
type Ledger struct {
	accounts []account
	free     []BlockID // every block in state Free, last in first out
	count    [3]int
	index    prefixIndex
	evicted  uint64
}

// account is what is booked on a block.
type account struct{ leases, holds int32 }

// NewLedger makes a ledger of total free blocks.
func NewLedger(total int) *Ledger {
	l := &Ledger{accounts: make([]account, total), free: make([]BlockID, total), index: newPrefixIndex(total)}
	for i := range l.free {
		l.free[i] = BlockID(total - 1 - i)
	}
	l.count[Free] = total
	return l
}

// Total returns the number of blocks.
func (l *Ledger) Total() int { return len(l.accounts) }

// Count returns how many blocks are in a state.
func (l *Ledger) Count(s BlockState) int { return l.count[s] }

// Loose returns how many of the cached blocks nobody refers to.
func (l *Ledger) Loose() int { return l.index.loose }

// Available returns how many blocks Take could give.
func (l *Ledger) Available() int { return len(l.free) + l.index.loose }

// Evicted returns how many loose blocks Take has had to reuse.
func (l *Ledger) Evicted() uint64 { return l.evicted }

// State returns the state of a block.
func (l *Ledger) State(b BlockID) BlockState {
	switch a := l.accounts[b]; {
	case a.leases > 0:
		return Leased
	case a.holds > 0 || l.index.has(b):
		return Cached
	}
	return Free
}

// References returns how many leases and holds a block has.
func (l *Ledger) References(b BlockID) (leases, holds int) {
	return int(l.accounts[b].leases), int(l.accounts[b].holds)
}

// Take leases n blocks that nobody refers to: free ones, then loose ones, which leave the index. It gives none and false if there are fewer.
func (l *Ledger) Take(n int) ([]BlockID, bool) {
	if n < 0 || n > l.Available() {
		return nil, false
	}
	for len(l.free) < n {
		b := l.index.coldest()
		l.change(b, func(*account) { l.index.remove(b) })
		l.evicted++
	}
	at := len(l.free) - n
	out := append([]BlockID(nil), l.free[at:]...)
	l.free = l.free[:at]
	for _, b := range out {
		l.accounts[b].leases = 1
	}
	l.count[Free] -= n
	l.count[Leased] += n
	return out, true
}

// Lease adds a lease to each of some blocks that are not free.
func (l *Ledger) Lease(blocks []BlockID) {
	for _, b := range blocks {
		l.mustExist(b)
		l.change(b, func(a *account) { a.leases++ })
	}
}

// Hold adds a hold to each of some blocks that are not free.
func (l *Ledger) Hold(blocks []BlockID) {
	for _, b := range blocks {
		l.mustExist(b)
		l.change(b, func(a *account) { a.holds++ })
	}
}

// Give ends a lease on each of some blocks. Those that become loose are taken again in the reverse of their order; soon, if they are cold, and after all
// others if not.
func (l *Ledger) Give(blocks []BlockID, cold bool) {
	l.end(blocks, cold, func(a *account) *int32 { return &a.leases })
}

// Drop ends a hold on each of some blocks, like Give.
func (l *Ledger) Drop(blocks []BlockID, cold bool) {
	l.end(blocks, cold, func(a *account) *int32 { return &a.holds })
}

func (l *Ledger) end(blocks []BlockID, cold bool, which func(*account) *int32) {
	for i := range blocks {
		b := blocks[len(blocks)-1-i] // the end of a context first: without its beginning the rest is of no use
		if cold {
			b = blocks[i]
		}
		l.mustExist(b)
		l.change(b, func(a *account) {
			n := which(a)
			if *n == 0 {
				panic(fmt.Sprintf("runtime: a reference to block %d is given back that nobody has", b))
			}
			*n--
		})
		if a := l.accounts[b]; a == (account{}) && l.index.has(b) {
			l.index.loosen(b, cold)
		}
	}
}

// Park turns a lease of each of some blocks into a hold: their agent became idle.
func (l *Ledger) Park(blocks []BlockID) {
	l.Hold(blocks)
	l.Give(blocks, false)
}

// Sole reports whether a block has exactly one reference.
func (l *Ledger) Sole(b BlockID) bool {
	a := l.accounts[b]
	return a.leases+a.holds == 1
}

// Publish puts a block that somebody refers to into the index. It returns the block that has this key there: another one if the same contents were
// published before, and then b stays out.
func (l *Ledger) Publish(b BlockID, key BlockKey) BlockID {
	if l.accounts[b] == (account{}) {
		panic(fmt.Sprintf("runtime: block %d is published, and nobody refers to it", b))
	}
	return l.index.add(b, key)
}

// Withdraw takes a block out of the index, if it is there, so that its owner may write to it. The owner's must be the only reference.
func (l *Ledger) Withdraw(b BlockID) {
	if !l.Sole(b) {
		panic(fmt.Sprintf("runtime: block %d is withdrawn, and its references are %+v", b, l.accounts[b]))
	}
	l.index.remove(b)
}

// Published reports whether a block is in the index.
func (l *Ledger) Published(b BlockID) bool { return l.index.has(b) }

// Discard frees the loose ones of some blocks at once.
func (l *Ledger) Discard(blocks []BlockID) {
	for _, b := range blocks {
		if l.accounts[b] == (account{}) && l.index.has(b) {
			l.change(b, func(*account) { l.index.remove(b) })
		}
	}
}

// Lookup returns the block that is published with a key.
func (l *Ledger) Lookup(key BlockKey) (BlockID, bool) {
	b, ok := l.index.blocks[key]
	return b, ok
}

// IsLoose reports whether a block is published and nobody refers to it.
func (l *Ledger) IsLoose(b BlockID) bool { return l.accounts[b] == (account{}) && l.index.has(b) }

// Shared returns how many blocks have more than one reference.
func (l *Ledger) Shared() (n int) {
	for _, a := range l.accounts {
		if a.leases+a.holds > 1 {
			n++
		}
	}
	return n
}

func (l *Ledger) mustExist(b BlockID) {
	if b < 0 || int(b) >= len(l.accounts) || l.State(b) == Free {
		panic(fmt.Sprintf("runtime: a reference to block %d, which is free or does not exist", b))
	}
}

// change alters an account, or the index, and books the new state.
func (l *Ledger) change(b BlockID, f func(*account)) {
	from := l.State(b)
	if l.accounts[b] == (account{}) {
		l.index.tighten(b)
	}
	f(&l.accounts[b])
	to := l.State(b)
	if from == to {
		return
	}
	l.count[from]--
	l.count[to]++
	if to == Free {
		l.free = append(l.free, b)
	}
}

// Check returns an error if the sums do not hold. It looks at every block, so it is for tests and idle moments.
func (l *Ledger) Check() error {
	var got [3]int
	loose, published := 0, 0
	for i, a := range l.accounts {
		b := BlockID(i)
		got[l.State(b)]++
		if a.leases < 0 || a.holds < 0 {
			return fmt.Errorf("ledger: block %d has references %+v", b, a)
		}
		if key, ok := l.index.keyOf(b); ok {
			published++
			if l.index.blocks[key] != b {
				return fmt.Errorf("ledger: block %d is published with a key that names block %d", b, l.index.blocks[key])
			}
			if a == (account{}) {
				loose++
			}
		}
	}
	if got != l.count || got[Free] != len(l.free) {
		return fmt.Errorf("ledger: counted free %d leased %d cached %d, booked %v with %d in the free list", got[Free], got[Leased], got[Cached], l.count, len(l.free))
	}
	for _, b := range l.free {
		if l.State(b) != Free {
			return fmt.Errorf("ledger: block %d is in the free list and in state %d", b, l.State(b))
		}
	}
	if published != len(l.index.blocks) || loose != l.index.loose || loose != l.index.walk() {
		return fmt.Errorf("ledger: counted %d published and %d loose blocks, booked %d and %d, and %d are in order of use",
			published, loose, len(l.index.blocks), l.index.loose, l.index.walk())
	}
	return nil
}
