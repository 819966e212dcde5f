package persistence

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"troupe/runtime"
)

// unseen marks the size of a block that a manifest names, until its file is seen.
const unseen = 1 << 31

// found is an agent that the scan found.
type found struct {
	saved runtime.Saved
	file  int64
}

// scan builds the index of an opened folder and cleans up: temporary files, blocks that no manifest names, agents beyond the budget. It reads the
// manifests, and of the blocks only their names.
func (d *Disk) scan() error {
	if err := d.sweep("tmp"); err != nil {
		return err
	}
	if err := d.fs.List("quarantine", func(name string) { d.quarantine = append(d.quarantine, name) }); err != nil {
		return err
	}
	d.trimQuarantine()
	agents, err := d.scanAgents()
	if err != nil {
		return err
	}
	slices.SortFunc(agents, func(a, b found) int {
		return cmp.Or(a.saved.SavedAt.Compare(b.saved.SavedAt), strings.Compare(a.saved.Agent, b.saved.Agent))
	})
	for _, a := range agents {
		d.index.put(a.saved, a.file)
	}
	orphans, err := d.scanBlocks()
	if err != nil {
		return err
	}
	// A kill may have left a manifest renamed but not synced. Nothing that the one before names may go until it is.
	if err := d.fs.SyncDir("agents"); err != nil {
		return err
	}
	for _, key := range orphans {
		if err := d.remove(blockName(key)); err != nil {
			d.log.Warn("cannot remove a block that nobody names", "error", err)
		}
	}
	d.written = max(d.readWear(), d.index.bytes)
	if err := d.makeRoom(0, ""); err != nil {
		d.log.Warn("the budget on disk is exceeded", "error", err)
	}
	return nil
}

// sweep removes every file of a folder.
func (d *Disk) sweep(dir string) error {
	var names []string
	if err := d.fs.List(dir, func(name string) { names = append(names, name) }); err != nil {
		return err
	}
	for _, name := range names {
		if err := d.remove(dir + "/" + name); err != nil {
			d.log.Warn("cannot remove a temporary file", "error", err)
		}
	}
	return nil
}

// maxUnreadable is how many files may be unreadable before this looks like a disk that is not there rather than one that wears out.
const maxUnreadable = maxQuarantine / 2

// scanAgents reads all manifests and counts what they name. What it does not return is not in the folder any more.
func (d *Disk) scanAgents() ([]found, error) {
	var names []string
	if err := d.fs.List("agents", func(name string) { names = append(names, name) }); err != nil {
		return nil, err
	}
	var agents []found
	bad, unreadable := map[string]error{}, 0
	for _, name := range names {
		if !strings.HasSuffix(name, manifestEnds) {
			continue // not ours
		}
		name = "agents/" + name
		p, size, err := d.reallyReadManifest(name)
		switch {
		case err == nil:
			d.count(p)
			file := d.stored(int64(size))
			agents = append(agents, found{p.summary(file), file})
			continue
		case errors.Is(err, errNewer):
			return nil, err
		case !errors.Is(err, errDamaged):
			unreadable++
		}
		if bad[name] = err; unreadable > maxUnreadable {
			return nil, fmt.Errorf("the disk is failing: %w", err)
		}
	}
	for name, err := range bad {
		d.log.Warn("set aside what cannot be read", "file", name, "error", err)
		if err := d.setAside(name); err != nil {
			return nil, err
		}
	}
	return agents, nil
}

// count adds what a manifest names to the index, not yet seen on disk.
func (d *Disk) count(p *manifest) {
	for i := range p.count() {
		id := d.index.id(p.key(i))
		d.index.blocks[id] = blockInfo{refs: d.index.blocks[id].refs + 1, size: p.size(i) | unseen}
	}
}

// scanBlocks compares the files of blocks with what the manifests name, and returns those that are not named.
func (d *Disk) scanBlocks() (orphans []runtime.BlockKey, err error) {
	x := d.index
	if err := d.fs.List("blocks", func(name string) {
		key, ok := blockKeyOf(name)
		if !ok {
			return // not ours
		}
		id := x.id(key)
		info, named := x.blocks[id]
		if !named {
			orphans = append(orphans, key)
			return
		}
		if info.size&unseen != 0 {
			info.size &^= unseen
			x.blocks[id] = info
			x.stored++
			x.bytes += int64(info.size)
		}
	}); err != nil {
		return nil, err
	}
	for id, info := range x.blocks {
		if info.size&unseen != 0 {
			info.size = 0
			x.blocks[id] = info
		}
	}
	return orphans, nil
}

// readManifest reads the manifest in a file, which has so many bytes when it is not encrypted.
func (d *Disk) readManifest(name string) (p *manifest, size int, err error) {
	b, err := d.read(name, maxManifest)
	if err != nil {
		return nil, 0, err
	}
	if p, err = decodeManifest(b); err != nil {
		return nil, 0, err
	}
	if manifestName(p.Agent) != name {
		return nil, 0, errors.Join(errDamaged, errors.New("it is another agent's"))
	}
	return p, len(b), nil
}

// reallyReadManifest tries up to three times: it may have been the reading.
func (d *Disk) reallyReadManifest(name string) (p *manifest, size int, err error) {
	for range 3 {
		p, size, err = d.readManifest(name)
		if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNewer) {
			break
		}
	}
	return p, size, err
}

// readWear returns the count of bytes that an earlier process wrote down, 0 if it cannot be read.
func (d *Disk) readWear() int64 {
	b, err := d.read("wear", envelopeBytes+8)
	if err == nil {
		b, err = unseal(wearMagic, b)
	}
	if err != nil || len(b) != 8 {
		if !errors.Is(err, fs.ErrNotExist) {
			d.log.Warn("the count of bytes written is lost", "error", err)
		}
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b) & (1<<63 - 1))
}

// writeWear writes the count down. It is not synced: a kill does not harm it, and after a power cut it may be an older one.
func (d *Disk) writeWear() {
	d.mu.Lock()
	count := d.written
	d.mu.Unlock()
	name := d.temp()
	f, err := d.write(name, seal(wearMagic, binary.LittleEndian.AppendUint64(nil, uint64(count))))
	if err == nil {
		if err = f.Close(); err == nil {
			err = d.fs.Rename(name, "wear")
		}
		if err != nil {
			err = errors.Join(err, d.remove(name))
		}
	}
	if err != nil {
		d.log.Warn("cannot write down how much was written", "error", err)
	}
}
