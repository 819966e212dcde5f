//go:build race

package simulation

// A simulation has one goroutine, so the race detector only makes it slower.
const defaultSeeds = 100
