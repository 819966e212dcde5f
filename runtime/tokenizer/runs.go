package tokenizer

import "unicode/utf8"

// runs is a compiled expression of the kind that tokenizers split by: alternatives of
// runs of characters of one class each, such as `\p{N}{1,3}| ?\p{L}+|\s+(?!\S)`. It
// finds what a backtracking engine finds, ten times faster than a general one.
//
// Nodes are linked by index; after the last node of an alternative comes what follows
// the alternatives. There is no loop, so the recursion is as deep as the expression.
type runs struct {
	nodes []node
	start int
}

type nodeKind uint8

const (
	accept    nodeKind = iota
	run                // min to max characters of set, as many as possible
	choice             // the first of alts that leads to a match
	lookahead          // the next character is (or, negated, is not) in set
	lineEnd            // the end of the text or a line feed follows
)

type node struct {
	kind       nodeKind
	set        *runeSet
	min, max   int
	possessive bool // gives nothing back
	negated    bool
	next       int
	alts       []int
}

// stepsPerByte bounds the work on a text. Expressions in use take less than ten; one
// that is made to take for ever ends here.
const stepsPerByte = 256

func (m *runs) each(s string, yield func(start, end int)) {
	r := runner{runs: m, s: s, steps: stepsPerByte * (len(s) + 64)}
	last := -1
	for at := 0; at <= len(s) && r.steps > 0; {
		end := r.match(m.start, at)
		if end > at {
			yield(at, end)
			at, last = end, end
			continue
		}
		if end == at && at != last {
			yield(at, at)
			last = at
		}
		if at == len(s) {
			return
		}
		at += runeLen(s, at)
	}
}

// runner matches a text. Its methods return the end of a match, or -1.
type runner struct {
	*runs
	s     string
	steps int // left; at 0 nothing matches any more
}

func (r *runner) match(at, pos int) int {
	for {
		if r.steps--; r.steps <= 0 {
			return -1
		}
		n := &r.nodes[at]
		switch n.kind {
		case accept:
			return pos
		case run:
			count, end := r.span(n, pos)
			if count < n.min {
				return -1
			}
			if n.possessive || count == n.min {
				at, pos = n.next, end
				continue
			}
			return r.giveBack(n, count, end)
		case choice:
			for _, alt := range n.alts[:len(n.alts)-1] {
				if end := r.match(alt, pos); end >= 0 {
					return end
				}
			}
			at = n.alts[len(n.alts)-1]
			continue
		case lookahead:
			c, size := utf8.DecodeRuneInString(r.s[pos:])
			if (size > 0 && n.set.has(c)) == n.negated {
				return -1
			}
		case lineEnd:
			if pos < len(r.s) && r.s[pos] != '\n' {
				return -1
			}
		}
		at = n.next
	}
}

// span counts the characters of n's set from pos on, n.max at most.
func (r *runner) span(n *node, pos int) (count, end int) {
	s, set := r.s, n.set
	for count < n.max && pos < len(s) {
		if c := s[pos]; c < utf8.RuneSelf {
			if set.ascii[c>>6]>>(c&63)&1 == 0 {
				break
			}
			pos++
		} else {
			c, size := utf8.DecodeRuneInString(s[pos:])
			if !set.has(c) {
				break
			}
			pos += size
		}
		count++
	}
	r.steps -= count / 8
	return count, pos
}

// giveBack tries what follows a run that ends at end, then a run shorter by one, and so
// on.
func (r *runner) giveBack(n *node, count, end int) int {
	for {
		if e := r.match(n.next, end); e >= 0 {
			return e
		}
		if count == n.min {
			return -1
		}
		_, size := utf8.DecodeLastRuneInString(r.s[:end])
		end -= size
		count--
	}
}

func runeLen(s string, at int) int {
	_, n := utf8.DecodeRuneInString(s[at:])
	return n
}
