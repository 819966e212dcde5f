package actors

import (
	"runtime"
	"syscall"
)

// giveWay has the calling goroutine run on an OS thread of its own, which ends with it, and which the kernel runs when the threads of the engine leave time:
// whoever reads or writes blocks takes a few per cent of the processors from steps, and all of them when there are none. A kernel that refuses changes
// nothing but that.
func giveWay() {
	const nice = 15
	runtime.LockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), nice)
}
