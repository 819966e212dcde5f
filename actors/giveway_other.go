//go:build !linux

package actors

// giveWay does nothing: only Linux gives a thread a priority of its own in this way.
func giveWay() {}
