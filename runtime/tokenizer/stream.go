package tokenizer

import "strings"

// A Stream decodes ids that arrive one by one. It belongs to one sequence of tokens
// and to one goroutine at a time.
//
// What Push returned, joined with what Flush returns, is what [Tokenizer.Decode] gives
// for all the ids.
type Stream struct {
	t      *Tokenizer
	skip   bool
	stages []stage
	emits  []func(string) // emits[i] takes what comes out of stages[i]
	out    strings.Builder
}

// Stream starts the decoding of a sequence of ids. skipSpecial leaves special tokens
// out.
func (t *Tokenizer) Stream(skipSpecial bool) *Stream {
	s := &Stream{t: t, skip: skipSpecial, stages: t.decode.stages()}
	s.emits = make([]func(string), len(s.stages))
	for i := range s.stages {
		if i+1 == len(s.stages) {
			s.emits[i] = func(text string) { s.out.WriteString(text) }
		} else {
			next := s.stages[i+1]
			s.emits[i] = func(chunk string) { next.push(chunk, s.emits[i+1]) }
		}
	}
	return s
}

// Push takes the next id and returns the text that became certain, possibly none. It
// holds back bytes that a later id may complete to a character, so what it returns is
// always whole UTF-8.
func (s *Stream) Push(id int32) string {
	s.push(id)
	return s.take()
}

// Flush returns the text that was held back; invalid bytes come as U+FFFD. The stream
// is at its end: only a new one can decode on.
func (s *Stream) Flush() string {
	for i, st := range s.stages {
		st.flush(s.emits[i])
	}
	return s.take()
}

func (s *Stream) push(id int32) {
	if !s.t.known(id) || s.skip && s.t.special[id] {
		return
	}
	if token := s.t.tokens[id]; len(s.stages) == 0 {
		s.out.WriteString(token)
	} else {
		s.stages[0].push(token, s.emits[0])
	}
}

func (s *Stream) take() string {
	text := s.out.String()
	s.out.Reset()
	return text
}
