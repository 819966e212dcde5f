package harness

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// OwnCPU is the processor time that this process has used, user and system.
func OwnCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ProcessCPU is the processor time of a running process, to 10 ms. It needs /proc.
func ProcessCPU(pid int) (time.Duration, error) {
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux port of Go
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The command's name, field 2, may contain anything; fields are counted from behind its parenthesis.
	fields := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/%d/stat: %w", pid, err)
	}
	return time.Duration(user+system) * tick, nil
}

// ProcessMemory is what a running process has in memory, in bytes. It needs /proc.
func ProcessMemory(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0, fmt.Errorf("/proc/%d/statm: %d fields", pid, len(fields))
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("/proc/%d/statm: %w", pid, err)
	}
	return pages * int64(os.Getpagesize()), nil
}

// Ticks are processor time of the whole machine since it started.
type Ticks struct{ Stolen, All uint64 }

// ReadTicks reads /proc/stat, and is zero where there is none.
func ReadTicks() (t Ticks) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return t
	}
	line, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseUint(field, 10, 64)
		if err != nil || i > stealField {
			continue // the name, or guests, which are in user time already
		}
		t.All += n
		if i == stealField {
			t.Stolen = n
		}
	}
	return t
}

// stealField is where /proc/stat has the time that the hypervisor gave to others.
const stealField = 8

// StolenSince is the share of the time since earlier that a hypervisor took from this machine. A figure from a run that lost much is worth little.
func (t Ticks) StolenSince(earlier Ticks) float64 {
	return float64(t.Stolen-earlier.Stolen) / float64(max(t.All-earlier.All, 1))
}
