package main

import (
	"os"
	"strconv"
	"strings"

	"troupe/mlx/engine"
)

// kvMemory is what --kv-memory=auto takes: a quarter of the machine's memory, at most 2 GiB, and at most 16 full contexts, so that a small model starts
// at once. On an unknown machine the quarter is taken to be 512 MiB.
func (b byteSize) kvMemory(machine int64, folder *engine.Folder) byteSize {
	const most, unknown, contexts = 2 << 30, 512 << 20, 16
	if b > 0 {
		return b
	}
	quarter := int64(unknown)
	if machine > 0 {
		quarter = machine / 4
	}
	context := folder.Spec.KVBytesPerToken() * int64(folder.Spec.MaxPositions)
	return byteSize(min(quarter, most, contexts*context))
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
