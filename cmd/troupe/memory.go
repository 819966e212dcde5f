package main

import "github.com/KimMachineGun/automemlimit/memlimit"

// defaultKVMemory is what --kv-memory=auto takes at most: a quarter of the memory, up to 2 GiB. On an unknown machine it is 512 MiB. What agents do
// not fill is not touched, so a small model may have a large pool.
func defaultKVMemory(memory int64) int64 {
	const most, unknown = 2 << 30, 512 << 20
	if memory <= 0 {
		return unknown
	}
	return min(memory/4, most)
}

// availableMemory is the memory of the machine, or of the process's cgroup (v1 or v2, or one around it) if that is less; 0 if unknown.
func availableMemory() int64 {
	total := physicalMemory()
	limit, err := memlimit.FromCgroup()
	if err != nil || limit == 0 { // no cgroup, or no limit
		return total
	}
	if total == 0 || limit < uint64(total) {
		return int64(limit)
	}
	return total
}

// working is what is set aside of a limit for all but weights and pool: the program, tokenizer, activations, requests.
func working(limit int64) int64 { return min(limit/8, 1<<30) }
