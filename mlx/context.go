package mlx

import "fmt"

// Context is the thread as seen from a function that runs on it.
type Context struct {
	thread *Thread
}

// Device returns where this thread computes: CPU or GPU.
func (c *Context) Device() Device { return c.thread.device }

// NewGraph opens a graph. The caller closes it.
func (c *Context) NewGraph() *Graph { return &Graph{c: newGraph()} }

// Memory is what the allocator of MLX holds in this process, in bytes.
type Memory struct {
	Active int // in arrays that are alive
	Peak   int // the most that Active was since the start or ResetPeak
	Cache  int // freed by arrays and kept for reuse
}

// String gives the three numbers in MiB.
func (m Memory) String() string {
	const mib = 1 << 20
	return fmt.Sprintf("active %.1f MiB, peak %.1f MiB, cache %.1f MiB",
		float64(m.Active)/mib, float64(m.Peak)/mib, float64(m.Cache)/mib)
}

// Memory reads the allocator's counters.
func (c *Context) Memory() Memory { return readMemory() }

// ResetPeak sets Memory.Peak to zero.
func (c *Context) ResetPeak() { resetPeak() }

// ClearCache waits for the device and gives the freed memory back to the system.
func (c *Context) ClearCache() error { return clearCache() }

// SetCacheLimit changes Options.CacheLimit; 0 keeps nothing.
func (c *Context) SetCacheLimit(bytes int) error { return setCacheLimit(bytes) }
