package tokenizer

import "fmt"

// piece is a stretch of text on its way to the model. head tells that its first
// character comes from the very beginning of the text that Encode was given.
type piece struct {
	text string
	head bool
}

// behavior is what Split does with the parts that its pattern matches.
type behavior string

const (
	isolated           behavior = "Isolated"
	removed            behavior = "Removed"
	mergedWithPrevious behavior = "MergedWithPrevious"
	mergedWithNext     behavior = "MergedWithNext"
	contiguous         behavior = "Contiguous"
)

func (b behavior) check() error {
	switch b {
	case isolated, removed, mergedWithPrevious, mergedWithNext, contiguous:
		return nil
	}
	return fmt.Errorf("unknown split behavior %q", string(b))
}

// span is a stretch of a text; match tells whether the pattern matched it.
type span struct {
	start, end int
	match      bool
}

// spans covers s with the matches of p and what lies between. invert swaps the two.
func spans(p pattern, s string, invert bool) []span {
	var out []span
	last := 0
	p.each(s, func(start, end int) {
		if last < start {
			out = append(out, span{last, start, invert})
		}
		out = append(out, span{start, end, !invert})
		last = end
	})
	if last < len(s) {
		out = append(out, span{last, len(s), invert})
	}
	return out
}

// arrange joins and drops spans as b asks. It may reuse the slice in.
func (b behavior) arrange(in []span) []span {
	out := in[:0]
	switch b {
	case isolated:
		return in
	case removed:
		for _, s := range in {
			if !s.match {
				out = append(out, s)
			}
		}
	case contiguous:
		previous := false
		for _, s := range in {
			if n := len(out); n > 0 && s.match == previous {
				out[n-1].end = s.end
			} else {
				out = append(out, s)
			}
			previous = s.match
		}
	case mergedWithPrevious:
		previous := false
		for _, s := range in {
			if n := len(out); n > 0 && s.match && !previous {
				out[n-1].end = s.end
			} else {
				out = append(out, s)
			}
			previous = s.match
		}
	case mergedWithNext:
		for i := 0; i < len(in); i++ {
			s := in[i]
			// Of a run of matches the last one joins what follows it.
			if s.match && i+1 < len(in) && !in[i+1].match {
				s.end = in[i+1].end
				i++
			}
			out = append(out, s)
		}
	}
	return out
}

// cut emits p.text[start:end] unless it is empty.
func (p piece) cut(start, end int, emit func(piece)) {
	if start < end {
		emit(piece{text: p.text[start:end], head: p.head && start == 0})
	}
}

// isolate is spans arranged as isolated, without making them.
func isolate(by pattern, p piece, emit func(piece)) {
	last := 0
	if r, ok := by.(*runs); ok { // by its own type, so that nothing escapes to the heap
		r.each(p.text, func(start, end int) {
			p.cut(last, start, emit)
			p.cut(start, end, emit)
			last = end
		})
	} else {
		for _, s := range spans(by, p.text, false) {
			p.cut(s.start, s.end, emit)
			last = s.end
		}
	}
	p.cut(last, len(p.text), emit)
}
