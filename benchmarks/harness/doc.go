// Package harness is what the benchmarks share: servers as processes of their own, a client that counts the tokens and notes when they came, fleets of
// agents, and reports. A figure exists only if every answer was a whole 200.
package harness
