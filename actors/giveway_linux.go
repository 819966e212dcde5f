package actors

import (
	"runtime"
	"syscall"
	"time"
)

// giveWay has the calling goroutine run on an OS thread of its own, which ends with it, and which the kernel prefers the threads of the engine to: the
// more so the nicer it is, up to 19. A kernel that refuses changes nothing but that.
func giveWay(nice int) {
	runtime.LockOSThread()
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, syscall.Gettid(), nice)
}

// threadTime is the processor time that the calling thread has used.
func threadTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_THREAD, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
