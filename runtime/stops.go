package runtime

import "strings"

// StopMatcher looks for stop strings in text that arrives in pieces. It holds back text that may be the beginning of a stop string, so what it has
// released never contains a part of one.
type StopMatcher struct {
	stops []string
	held  string
}

// NewStopMatcher makes a matcher. It returns an Invalid error if there are too many stop strings, or one is empty or too long.
func NewStopMatcher(stops []string) (*StopMatcher, error) {
	if len(stops) > MaxStops {
		return nil, InvalidParam("stop", "at most %d stop strings are allowed, not %d", MaxStops, len(stops))
	}
	for i, s := range stops {
		if s == "" || len(s) > MaxStopSize {
			return nil, InvalidParam("stop", "stop string %d has %d bytes; 1 to %d are allowed", i, len(s), MaxStopSize)
		}
	}
	return &StopMatcher{stops: stops}, nil
}

// Push takes the next piece. It returns the text that is released, and the stop string that was found, if any: then the text before it was released,
// and the matcher is done. Of stop strings that end in the same piece the one that begins first counts; of those, the first in the list.
func (m *StopMatcher) Push(piece string) (text, found string) {
	if len(m.stops) == 0 {
		return piece, ""
	}
	m.held += piece
	at := -1
	for _, s := range m.stops {
		if i := strings.Index(m.held, s); i >= 0 && (at < 0 || i < at) {
			at, found = i, s
		}
	}
	if at >= 0 {
		text, m.held = m.held[:at], ""
		return text, found
	}
	keep := 0
	for _, s := range m.stops {
		keep = max(keep, overlap(m.held, s))
	}
	cut := len(m.held) - keep
	text, m.held = m.held[:cut], m.held[cut:]
	return text, ""
}

// Flush releases what is held back: the generation ended, so no stop string can follow.
func (m *StopMatcher) Flush() string {
	text := m.held
	m.held = ""
	return text
}

// overlap returns the length of the longest proper prefix of stop that text ends with.
func overlap(text, stop string) int {
	for n := min(len(text), len(stop)-1); n > 0; n-- {
		if strings.HasSuffix(text, stop[:n]) {
			return n
		}
	}
	return 0
}
