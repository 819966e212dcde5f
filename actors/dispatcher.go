package actors

// dispatcher runs mailboxes on goroutines that stay parked between messages. A goroutine of its own for each wake-up, as protoactor does by default,
// has to grow its small stack every time: round trips take three to four times as long (facts/libraries.md §1).
type dispatcher struct {
	work chan func()
	done chan struct{}
}

func newDispatcher(workers int) *dispatcher {
	d := &dispatcher{work: make(chan func()), done: make(chan struct{})}
	for range workers {
		go d.run()
	}
	return d
}

func (d *dispatcher) run() {
	for {
		select {
		case fn := <-d.work:
			fn()
		case <-d.done:
			return
		}
	}
}

// Schedule never blocks: if all workers are busy, fn gets a goroutine of its own.
func (d *dispatcher) Schedule(fn func()) {
	select {
	case d.work <- fn:
	default:
		go fn()
	}
}

// Throughput is how many messages a mailbox handles before it yields the processor.
func (d *dispatcher) Throughput() int { return 300 }

// close lets the parked workers go. What is scheduled afterwards still runs.
func (d *dispatcher) close() { close(d.done) }
