package actors

import (
	"runtime"
	"time"
)

// pacer keeps the work on blocks from the processors while steps run: no more threads than there are processors work at a time, and each rests after a
// block. When no step runs, nobody rests.
//
// A step waits for the slowest of its threads. So a low priority alone does not help it, and it is better to take a little from all processors at once
// than as much from one of them after another.
type pacer struct {
	busy  func() bool   // whether steps run
	turns chan struct{} // as many as may work at a time
}

// How long a thread rests, as a multiple of the processor time that it has used, and how nice it is. Somebody waits for what is read. What the kernel does
// to make writes durable comes on top of what their thread uses. Measured with benchmarks/memory, such that the tokens of others come 10 to 16 % later.
const (
	restReading = 25
	niceReading = 10
	restWriting = 8
	niceWriting = 15
)

func newPacer(busy func() bool) *pacer {
	return &pacer{busy: busy, turns: make(chan struct{}, runtime.NumCPU())}
}

// block does the work on one block. The goroutine has a thread of its own.
func (p *pacer) block(work func() error) error {
	if !p.busy() {
		return work()
	}
	p.turns <- struct{}{}
	defer func() { <-p.turns }()
	before := threadTime()
	err := work()
	p.rest(restReading * (threadTime() - before))
	return err
}

// rest waits for so long, or until no step runs.
func (p *pacer) rest(d time.Duration) {
	until := time.Now().Add(d)
	for p.busy() {
		left := time.Until(until)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, 2*time.Millisecond))
	}
}
