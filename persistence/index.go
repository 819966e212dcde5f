package persistence

import (
	"hash/maphash"

	"troupe/runtime"
)

// index is what the store knows without reading a file: who is saved, how often each block is named, and what all of it takes. Its owner locks it.
//
// It must stay small at many agents, so it has no keys: a block is known by a 64-bit hash of its key, with a seed that nobody outside knows. Should two
// blocks ever meet there, one of them is not written, or not removed before the next Open; what Block returns never depends on it.
type index struct {
	seed   maphash.Seed
	agents map[string]*agent
	ring   agent             // all agents by last use: ring.next is the one longest unused
	tags   map[string]string // one copy of each
	blocks map[uint64]blockInfo
	stored int   // blocks that are on disk
	bytes  int64 // of stored blocks and of manifests
}

type agent struct {
	saved      runtime.Saved
	file       int64 // bytes of the manifest
	prev, next *agent
}

type blockInfo struct {
	refs uint32 // how often manifests, and a save that runs, name it
	size uint32 // bytes of its file; 0: not on disk, or not usable. With unseen: as a manifest says
}

// unseen is set in the size of a block that a manifest names, until its file is seen.
const unseen = 1 << 31

func (b blockInfo) bytes() uint32 { return b.size &^ unseen }

func newIndex() *index {
	x := &index{seed: maphash.MakeSeed(), agents: map[string]*agent{}, tags: map[string]string{}, blocks: map[uint64]blockInfo{}}
	x.ring.prev, x.ring.next = &x.ring, &x.ring
	return x
}

func (x *index) id(key runtime.BlockKey) uint64 { return maphash.Bytes(x.seed, key[:]) }

// put adds an agent, or replaces it, as the one used last. The blocks are counted by hold.
func (x *index) put(saved runtime.Saved, file int64) {
	x.remove(saved.Agent)
	if tag, ok := x.tags[saved.Tag]; ok {
		saved.Tag = tag
	} else {
		x.tags[saved.Tag] = saved.Tag
	}
	a := &agent{saved: saved, file: file}
	x.agents[saved.Agent] = a
	x.append(a)
	x.bytes += file
}

// remove forgets an agent. The blocks are counted by drop.
func (x *index) remove(id string) {
	a, ok := x.agents[id]
	if !ok {
		return
	}
	delete(x.agents, id)
	a.prev.next, a.next.prev = a.next, a.prev
	x.bytes -= a.file
}

// touch makes an agent the one used last.
func (x *index) touch(id string) {
	if a, ok := x.agents[id]; ok {
		a.prev.next, a.next.prev = a.next, a.prev
		x.append(a)
	}
}

func (x *index) append(a *agent) {
	a.prev, a.next = x.ring.prev, &x.ring
	a.prev.next, x.ring.prev = a, a
}

// oldest returns the agent longest unused that is not pinned and not the one that is spared, or nil.
func (x *index) oldest(spare string) *agent {
	for a := x.ring.next; a != &x.ring; a = a.next {
		if !a.saved.Pinned && a.saved.Agent != spare {
			return a
		}
	}
	return nil
}

// name counts one more naming of a key, by a manifest which says how large the file is. The block counts as stored until loseUnseen.
func (x *index) name(key runtime.BlockKey, size uint32) {
	id := x.id(key)
	info, known := x.blocks[id]
	if !known {
		x.stored++
	}
	size = max(size, info.bytes()) // a manifest says 1 if it does not know
	x.bytes += int64(size) - int64(info.bytes())
	x.blocks[id] = blockInfo{refs: info.refs + 1, size: size | unseen}
}

// see notes that the file of a block is there. It returns whether a manifest names it.
func (x *index) see(key runtime.BlockKey) bool {
	id := x.id(key)
	info, named := x.blocks[id]
	if info.size&unseen != 0 { // else it was found damaged since, or is another key of this hash
		info.size &^= unseen
		x.blocks[id] = info
	}
	return named
}

// loseUnseen notes that the files of all blocks that were not seen are not there.
func (x *index) loseUnseen() {
	for id, info := range x.blocks {
		if info.size&unseen != 0 {
			x.stored--
			x.bytes -= int64(info.bytes())
			info.size = 0
			x.blocks[id] = info
		}
	}
}

// hold counts one more naming of each key.
func (x *index) hold(keys []runtime.BlockKey) {
	for _, key := range keys {
		id := x.id(key)
		info := x.blocks[id]
		info.refs++
		x.blocks[id] = info
	}
}

// drop is the reverse of hold. It returns the keys that nobody names any more: their files are to be removed.
func (x *index) drop(keys []runtime.BlockKey) []runtime.BlockKey {
	var unnamed []runtime.BlockKey
	for _, key := range keys {
		id := x.id(key)
		info, ok := x.blocks[id]
		if !ok {
			continue // two keys of one hash
		}
		if info.refs--; info.refs > 0 {
			x.blocks[id] = info
			continue
		}
		x.setSize(key, 0)
		delete(x.blocks, id)
		unnamed = append(unnamed, key)
	}
	return unnamed
}

// size returns the bytes of a block's file, 0 if it is not on disk.
func (x *index) size(key runtime.BlockKey) uint32 { return x.blocks[x.id(key)].bytes() }

// setSize notes that the file of a block that is held has so many bytes now, or with 0 that it is not there.
func (x *index) setSize(key runtime.BlockKey, size uint32) {
	id := x.id(key)
	info, ok := x.blocks[id]
	if !ok {
		return
	}
	switch {
	case info.size == 0 && size > 0:
		x.stored++
	case info.size > 0 && size == 0:
		x.stored--
	}
	x.bytes += int64(size) - int64(info.bytes())
	info.size = size
	x.blocks[id] = info
}
