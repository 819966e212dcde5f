package runtime

// Match is what a prompt finds in the pool.
type Match struct {
	Blocks []BlockID // hold the first Length positions, in order
	Length int       // positions that need not be computed
	// Write says that the last of Blocks is used in part and written on: it is the agent's own and nobody else refers to it. Otherwise all of them
	// are full, and only read.
	Write bool
}

// Match finds what need not be computed of n tokens: at least one is.
//
// First comes the agent's own context at rest, of which the prompt repeats the first common tokens, to the token; own is nil if there is none. Then, block
// by block, the index: keys are those of the full blocks of the n tokens. Where the agent's own context ends within a block that somebody else refers
// to as well, that block is computed anew (copy on write).
func (l *Ledger) Match(n int, keys []BlockKey, own *Lease, common, blockTokens int) Match {
	most := n - 1
	found := 0
	for found < len(keys) && (found+1)*blockTokens <= most {
		if _, ok := l.Lookup(keys[found]); !ok {
			break
		}
		found++
	}
	if own != nil {
		if c := min(common, own.Length, most); c >= found*blockTokens && c > 0 {
			full := c / blockTokens
			if tail := c % blockTokens; tail > 0 && l.Sole(own.Blocks[full]) {
				return Match{Blocks: own.Blocks[: full+1 : full+1], Length: c, Write: true}
			}
			if full >= found {
				return Match{Blocks: own.Blocks[:full:full], Length: full * blockTokens}
			}
		}
	}
	m := Match{Length: found * blockTokens}
	for _, key := range keys[:found] {
		b, _ := l.Lookup(key)
		m.Blocks = append(m.Blocks, b)
	}
	return m
}

// Computing knows which blocks running requests are about to publish, so that nobody computes the same block beside them. The zero value is of no
// use; make it.
type Computing map[BlockKey]uint64

// Begin notes that a request computes the blocks with these keys. A key that another request computes already stays with that one.
func (c Computing) Begin(request uint64, keys []BlockKey) {
	for _, key := range keys {
		if _, ok := c[key]; !ok {
			c[key] = request
		}
	}
}

// End forgets keys of a request: they are published, or it does not compute them any more.
func (c Computing) End(request uint64, keys []BlockKey) {
	for _, key := range keys {
		if c[key] == request {
			delete(c, key)
		}
	}
}

// Awaits returns the key of the last block that a request should wait for, if the first that it lacks is being computed: missing are the keys that it
// lacks, in order. Only running requests compute and those that wait hold nothing, so nobody waits in a circle; and when a request ends or gives
// way it computes nothing more, so nobody waits in vain.
func (c Computing) Awaits(missing []BlockKey) (last BlockKey, wait bool) {
	for _, key := range missing {
		if _, ok := c[key]; !ok {
			break
		}
		last, wait = key, true
	}
	return last, wait
}

// Has reports whether a block is being computed.
func (c Computing) Has(key BlockKey) bool {
	_, ok := c[key]
	return ok
}
