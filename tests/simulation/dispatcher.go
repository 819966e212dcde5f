package simulation

import "math/rand/v2"

// dispatcher is an actors.Pump that runs what was scheduled in an order drawn from a generator: mailboxes, and the steps of the engine.
type dispatcher struct {
	rng   *rand.Rand
	queue []func()
	ran   int
}

// Schedule implements actor.Dispatcher.
func (d *dispatcher) Schedule(fn func()) { d.queue = append(d.queue, fn) }

// Throughput implements actor.Dispatcher.
func (d *dispatcher) Throughput() int { return 1 }

// RunOne implements actors.Pump.
func (d *dispatcher) RunOne() bool {
	if len(d.queue) == 0 {
		return false
	}
	i := d.rng.IntN(len(d.queue))
	fn := d.queue[i]
	d.queue = append(d.queue[:i], d.queue[i+1:]...)
	d.ran++
	fn()
	return true
}
