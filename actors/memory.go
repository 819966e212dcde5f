package actors

import "troupe/runtime"

// memory is a context at rest: what an agent knows between two requests, and the blocks that hold it. Each of the blocks has a hold in the ledger; the
// full ones are published.
type memory struct {
	tokens []int32            // lease.Length of them; read only
	keys   []runtime.BlockKey // of the full blocks
	lease  *runtime.Lease
}

// keepMemory makes a memory of a lease that came home, whose blocks are leased to a ticket and published where they are full. A block whose contents somebody
// else published before is exchanged for that one, so that what agents have in common is held once.
func (p *pool) keepMemory(t *ticket, lease *runtime.Lease, tokens []int32, keys []runtime.BlockKey) *memory {
	p.giveBack(t, lease.Truncate(len(tokens)), true)
	own := lease.Blocks
	lease.Blocks = make([]runtime.BlockID, len(own))
	for i, b := range own {
		if i < len(keys) {
			b = p.ledger.Publish(b, keys[i])
		}
		lease.Blocks[i] = b
	}
	p.ledger.Hold(lease.Blocks)
	p.giveBack(t, own, true)
	return &memory{tokens: tokens, keys: keys, lease: lease}
}
