// Package simulation runs the actors of the server without goroutines, in an order that a seed decides, and compares every answer with what the same
// request would have been given alone.
//
// In a world, clients join, leave, read slowly and come back with longer conversations; the engine fails and panics, agents panic, the pool of blocks is
// far too small. The pool checks its books after every message. A failure names its seed, and -seed runs that one alone.
//
// In a tribe, the agents of several owners have tokens of their own, and an engine notes every context in which those of two meet.
package simulation
