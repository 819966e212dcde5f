package runtime

import "slices"

// Pending is what one lease asks of the next step.
type Pending struct {
	Start  int // positions that are valid already
	Tokens int // tokens whose KV is missing: 1 while decoding, more while a prompt is prefilled
	Room   int // positions that the lease still has blocks for
}

// Share is a lease's part of a step: the first Tokens of its pending tokens.
type Share struct {
	Index  int // into the pending leases
	Tokens int
}

// StepLimits bound a step.
type StepLimits struct {
	Rows        int // most rows
	Chunk       int // most prompt tokens, all prefills together
	BlockTokens int
}

// PlanStep composes a step.
//
// Every lease that decodes takes part, as long as there are rows. The prefills share the chunk: each gets an equal part, and what a short one leaves goes
// to the others. turn, a number that grows by one with each step, says who is served first, so nobody starves behind a long prompt. A chunk ends at
// a block boundary unless it ends its prompt: then blocks are cut alike however prompts met. A lease without room waits.
//
// The shares are in the order of pending. As long as any lease has both tokens and room, there is at least one.
func PlanStep(pending []Pending, l StepLimits, turn int) []Share {
	var decodes, prefills []int // who is served first stands first
	for i, p := range pending {
		switch {
		case p.Tokens <= 0 || p.Room <= 0:
		case p.Tokens == 1:
			decodes = append(decodes, i)
		default:
			prefills = append(prefills, i)
		}
	}
	rotate(prefills, turn)
	take := make([]int, len(pending))
	rows := min(len(decodes), l.Rows)
	if rows < len(decodes) {
		rotate(decodes, turn)
	}
	for _, i := range decodes[:rows] {
		take[i] = 1
	}
	budget := max(l.Chunk, l.BlockTokens)
	for k, i := range prefills {
		if rows == l.Rows || budget == 0 {
			break
		}
		// An equal part of what is left; at least up to the next boundary, if the budget reaches it.
		n := chunk(pending[i], budget/(len(prefills)-k), l.BlockTokens)
		if n == 0 {
			n = chunk(pending[i], budget, l.BlockTokens)
			n = min(n, l.BlockTokens-pending[i].Start%l.BlockTokens)
		}
		if n > 0 {
			take[i] = n
			budget -= n
			rows++
		}
	}
	// What the short ones left: whole blocks more for those that can use them, first come first.
	for _, i := range prefills {
		if take[i] == 0 {
			continue
		}
		more := chunk(pending[i], take[i]+budget, l.BlockTokens)
		budget -= more - take[i]
		take[i] = more
	}
	shares := make([]Share, 0, rows)
	for i, n := range take {
		if n > 0 {
			shares = append(shares, Share{Index: i, Tokens: n})
		}
	}
	return shares
}

// rotate moves the element at turn, counted around, to the front.
func rotate(s []int, turn int) {
	if len(s) > 1 {
		at := turn % len(s)
		copy(s, slices.Concat(s[at:], s[:at]))
	}
}

// chunk returns how many of a prefill's tokens fit in a part of the budget: all, or as many as end at a block boundary.
func chunk(p Pending, part, blockTokens int) int {
	n := min(part, p.Room)
	if n >= p.Tokens {
		return p.Tokens
	}
	return max(n-(p.Start+n)%blockTokens, 0)
}
