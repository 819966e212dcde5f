package runtime

// Idle is what an idle agent holds.
type Idle struct {
	Agent   string // its id; see SplitAgent
	Blocks  int
	Pinned  bool
	Waiting bool // its next request is in the queue
}

// Victim says which of the idle agents, the least recently used first, makes room for others: one of those that hold more than most blocks, alone or
// together with the other agents of their owner, before the rest; one that is pinned only when there is no other, and one whose next request waits
// last of all. It returns -1 if nobody is idle.
func Victim(idle []Idle, most int) int {
	owners := map[string]int{}
	for _, x := range idle {
		if owner, _ := SplitAgent(x.Agent); owner != "" {
			owners[owner] += x.Blocks
		}
	}
	best, at := 5, -1
	for i, x := range idle {
		owner, _ := SplitAgent(x.Agent)
		class := 2
		switch {
		case x.Waiting:
			class = 4
		case x.Pinned:
			class = 3
		case x.Blocks > most || owners[owner] > most:
			class = 1
		}
		if class < best {
			best, at = class, i
		}
	}
	return at
}
