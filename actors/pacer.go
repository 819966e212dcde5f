package actors

import (
	"runtime"
	"time"
)

// pacer keeps the work on blocks from the processors while steps run: half as many threads as there are processors work at a time, and each rests after
// a block. A step waits for the slowest of its threads, so a low priority alone does not help it. When no step runs, nobody rests.
type pacer struct {
	busy  func() bool   // whether steps run
	turns chan struct{} // as many as may work at a time
}

// How long a thread rests, as a multiple of the processor time that it has used. What the kernel does to make writes durable comes on top of that.
const (
	restReading = 1
	restWriting = 8
)

func newPacer(busy func() bool) *pacer {
	return &pacer{busy: busy, turns: make(chan struct{}, max(runtime.NumCPU()/2, 1))}
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
