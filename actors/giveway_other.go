//go:build !linux

package actors

import "time"

// giveWay does nothing: only Linux gives a thread a priority of its own in this way.
func giveWay(int) {}

// threadTime is the time that passed: only Linux knows that of a thread.
func threadTime() time.Duration { return time.Duration(time.Now().UnixNano()) }
