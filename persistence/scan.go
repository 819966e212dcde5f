package persistence

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"troupe/runtime"
)

// scanners is how many manifests are read at once at start. Cold ones take 7 % less time than by 4, and 16 and more are not faster.
const scanners = 8

// found is an agent that the scan found.
type found struct {
	saved runtime.Saved
	file  int64
}

// scan finds the agents of an opened folder and removes temporary files. It reads the manifests and believes what they say of blocks. Whether that is so
// is found out by tidy while the store is used already: it takes as long again, and only who changes the folder needs it. If the budget is exceeded, nobody
// uses the store before room is made.
func (d *Disk) scan() error {
	wear, err := d.readWear()
	if err != nil {
		return err
	}
	if err := d.fs.List("quarantine", func(name string) { d.quarantine = append(d.quarantine, name) }); err != nil {
		return err
	}
	agents, err := d.scanAgents()
	if err != nil {
		return err
	}
	// Nothing is of a newer version, which would have to be left alone.
	d.trimQuarantine()
	if err := d.sweep("tmp"); err != nil {
		return err
	}
	slices.SortFunc(agents, func(a, b found) int {
		return cmp.Or(a.saved.SavedAt.Compare(b.saved.SavedAt), strings.Compare(a.saved.Agent, b.saved.Agent))
	})
	for _, a := range agents {
		d.index.put(a.saved, a.file)
	}
	d.written = max(wear, d.index.bytes)
	d.change.Lock() // for whoever is the next to return
	if d.budget > 0 && d.index.bytes > d.budget {
		defer d.change.Unlock()
		if err := d.tidy(); err != nil {
			return err
		}
		close(d.looked)
		if err := d.makeRoom(0, ""); err != nil {
			d.log.Warn("the budget on disk is exceeded", "error", err)
		}
		return nil
	}
	go func() {
		defer d.change.Unlock()
		defer close(d.looked)
		if err := d.tidy(); err != nil {
			d.log.Warn("cannot find out which blocks are on disk; the next save will try again", "error", err)
		}
	}()
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

// scanned is a manifest that was read, or why it was not.
type scanned struct {
	name string
	p    *manifest
	size int
	err  error
}

// scanAgents reads all manifests and counts what they name. What it does not return is not in the folder any more.
func (d *Disk) scanAgents() (agents []found, err error) {
	var names []string
	if err := d.fs.List("agents", func(name string) {
		if strings.HasSuffix(name, manifestEnds) { // others are not ours
			names = append(names, "agents/"+name)
		}
	}); err != nil {
		return nil, err
	}
	bad, unreadable := map[string]error{}, 0
	for r := range d.readManifests(names) {
		switch {
		case r.err == nil:
			d.count(r.p)
			file := d.stored(int64(r.size))
			agents = append(agents, found{r.p.summary(file), file})
			continue
		case errors.Is(r.err, errNewer):
			return nil, r.err
		case !errors.Is(r.err, errDamaged):
			unreadable++
		}
		if bad[r.name] = r.err; unreadable > maxUnreadable {
			return nil, fmt.Errorf("the disk is failing: %w", r.err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(bad)) {
		d.log.Warn("set aside what cannot be read", "file", name, "error", bad[name])
		if err := d.setAside(name); err != nil {
			return nil, err
		}
	}
	return agents, nil
}

// readManifests reads several files at once, in no order. None is read any more when the loop over it ends.
func (d *Disk) readManifests(names []string) iter.Seq[scanned] {
	return func(yield func(scanned) bool) {
		var next atomic.Int64
		var readers sync.WaitGroup
		read := make(chan scanned, scanners)
		for range min(scanners, len(names)) {
			readers.Go(func() {
				for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
					p, size, err := d.reallyReadManifest(names[i])
					read <- scanned{names[i], p, size, err}
				}
			})
		}
		go func() { readers.Wait(); close(read) }()
		for r := range read {
			if !yield(r) {
				next.Store(int64(len(names)))
				for range read { // what was under way
				}
				return
			}
		}
	}
}

// count adds what a manifest names to the index.
func (d *Disk) count(p *manifest) {
	for i := range p.count() {
		d.index.name(p.key(i), p.size(i))
	}
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

// readWear returns the count of bytes that an earlier process wrote down, 0 if it cannot be read. It fails only if that was a newer version.
func (d *Disk) readWear() (int64, error) {
	b, err := d.read("wear", 1<<10) // a newer one may have more
	if err == nil {
		b, err = unseal(wearMagic, b)
	}
	switch {
	case errors.Is(err, errNewer):
		return 0, err
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil
	case err != nil || len(b) != 8:
		d.log.Warn("the count of bytes written is lost", "error", err)
		return 0, nil
	}
	return int64(binary.LittleEndian.Uint64(b) & (1<<63 - 1)), nil
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
