package runtime

import (
	"slices"
	"time"
)

// Pending is what one lease asks of the next step.
type Pending struct {
	Start  int // positions that are valid already
	Tokens int // tokens whose KV is missing: 1 while decoding, more while a prompt is prefilled
	Room   int // positions that the lease still has blocks for

	Party *Party  // whose it is, among those whose prompts share the chunks; while decoding it does not matter
	Price float64 // what a token costs that party
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

	// While others decode, the step should take no longer than MaxTime, by what Cost knows, and never more than MaxTime beyond what their tokens take: they
	// are all in it, and half of the time is the prompts' in any case. 0 or nil: whatever it takes.
	MaxTime time.Duration
	Cost    *StepCost
}

// granule is how many tokens of a prompt a step has at least, however long that takes, and in what steps a part of a block grows.
const granule = 4

// PlanStep composes a step.
//
// Every lease that decodes takes part, as long as there are rows; if they are short, turn, a number that grows by one with each step, says who is first. The
// prefills share the chunk block by block: the next block is for the party that has used the least, see [Fair], whose own leases take turns. So however
// many long prompts somebody has, they delay a short one of somebody else by no more than the step that is being computed, and nobody starves.
//
// A chunk ends at a block boundary unless it ends its prompt or its time: then blocks are cut alike however prompts met. A lease without room waits.
//
// The shares are in the order of pending. As long as any lease has both tokens and room, there is at least one.
func PlanStep(pending []Pending, l StepLimits, turn int) []Share {
	var decodes []int // who is served first stands first
	var parties []*sharer
	for i, p := range pending {
		switch {
		case p.Tokens <= 0 || p.Room <= 0:
		case p.Tokens == 1:
			decodes = append(decodes, i)
		default:
			parties = join(parties, i, p)
		}
	}
	for _, s := range parties {
		rotate(s.leases, turn)
	}
	take := make([]int, len(pending))
	rows := min(len(decodes), l.Rows)
	if rows < len(decodes) {
		rotate(decodes, turn)
	}
	for _, i := range decodes[:rows] {
		take[i] = 1
	}
	budget := max(l.Chunk, l.BlockTokens)
	limited := rows > 0 && l.MaxTime > 0 && l.Cost != nil
	var left time.Duration
	taken := 0
	if limited {
		left = l.Cost.Within(l.MaxTime)
		left = max(left-l.Cost.Decode(rows), left/2)
	}
	for len(parties) > 0 {
		s := slices.MinFunc(parties, func(a, b *sharer) int {
			switch {
			case a.used < b.used:
				return -1
			case a.used > b.used:
				return 1
			}
			return 0
		})
		i := s.leases[0]
		p := pending[i]
		n := quantum(p, take[i], l.BlockTokens)
		switch {
		case n == 0: // served whole, or without room for more
			s.leases = s.leases[1:]
		case n > budget || take[i] == 0 && rows == l.Rows:
			s.leases = nil
		default:
			if limited {
				if n = l.Cost.fitting(left, p.Start+take[i], n, taken == 0); n == 0 {
					return shares(take)
				}
				left -= l.Cost.Prefill(p.Start+take[i], n)
			}
			if take[i] == 0 {
				rows++
			}
			take[i] += n
			taken += n
			budget -= n
			s.used += float64(n) * p.Price
			s.leases = append(s.leases[1:], i)
		}
		if len(s.leases) == 0 {
			parties = slices.DeleteFunc(parties, func(x *sharer) bool { return x == s })
		}
	}
	return shares(take)
}

// fitting returns how many of n tokens from a position on fit in the time that is left; at least some if they are the first. Before anything was measured
// all n are measured.
func (c *StepCost) fitting(left time.Duration, start, n int, first bool) int {
	cost := c.Prefill(start, n)
	if cost == 0 {
		if first {
			return n
		}
		return 0
	}
	fits := int(float64(n) * max(left.Seconds(), 0) / cost.Seconds())
	switch {
	case fits >= n:
		return n
	case fits < granule && first:
		return min(n, granule)
	}
	return fits / granule * granule
}

// sharer is a party while a chunk is shared out.
type sharer struct {
	party  *Party
	used   float64
	leases []int // that still want something
}

func join(parties []*sharer, i int, p Pending) []*sharer {
	for _, s := range parties {
		if s.party == p.Party {
			s.leases = append(s.leases, i)
			return parties
		}
	}
	return append(parties, &sharer{party: p.Party, used: used(p.Party), leases: []int{i}})
}

func used(p *Party) float64 {
	if p == nil {
		return 0
	}
	return p.used
}

// quantum returns how many tokens of a prefill follow those that it got up to the next block boundary, or its end.
func quantum(p Pending, got, blockTokens int) int {
	n := blockTokens - (p.Start+got)%blockTokens
	return min(n, p.Tokens-got, p.Room-got)
}

func shares(take []int) []Share {
	var out []Share
	for i, n := range take {
		if n > 0 {
			out = append(out, Share{Index: i, Tokens: n})
		}
	}
	return out
}

// rotate moves the element at turn, counted around, to the front.
func rotate(s []int, turn int) {
	if len(s) > 1 {
		at := turn % len(s)
		copy(s, slices.Concat(s[at:], s[:at]))
	}
}
