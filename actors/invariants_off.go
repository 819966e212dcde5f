//go:build !invariants && !race

package actors

const invariants = false
