package main

import (
	"os"
	"strconv"
	"strings"
)

// defaultKVMemory is what --kv-memory=auto takes: a quarter of the machine's memory, at most 2 GiB. On an unknown machine it is 512 MiB. What agents do
// not fill is not touched, so a small model may have a large pool.
func defaultKVMemory(machine int64) byteSize {
	const most, unknown = 2 << 30, 512 << 20
	if machine <= 0 {
		return unknown
	}
	return byteSize(min(machine/4, most))
}

// availableMemory is the memory of the machine, or of the container if that has a smaller limit; 0 if unknown.
func availableMemory() int64 {
	total := physicalMemory()
	if limit := containerMemory("/sys/fs/cgroup/memory.max"); limit > 0 && (total == 0 || limit < total) {
		return limit
	}
	return total
}

// containerMemory reads a cgroup v2 limit; 0 if there is none.
func containerMemory(file string) int64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil { // "max"
		return 0
	}
	return n
}
