//go:build invariants || race

package actors

// invariants makes the pool check its books after every message.
const invariants = true
