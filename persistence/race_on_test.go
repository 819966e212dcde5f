//go:build race

package persistence_test

// raced says that the race detector slows everything down.
const raced = true
