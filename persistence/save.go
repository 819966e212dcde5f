package persistence

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sync/errgroup"

	"troupe/runtime"
)

// syncs is how many files are made durable at once: they share the disk's flushes, which is what makes many small files bearable.
const syncs = 32

// saving is a save that runs. The store's change is held meanwhile.
type saving struct {
	d       *Disk
	m       *runtime.Manifest
	block   func(i int) ([]byte, error)
	pending map[runtime.BlockKey]uint32 // new blocks and the sizes of their files
	left    int                         // new blocks that are still to come
	bytes   int64                       // of pending
	group   errgroup.Group              // syncs
}

// Save implements [runtime.Store]. Saves run one at a time: they would only share the disk's speed. If the budget is short, agents longest unused are
// collected first; an error of kind TooLarge says that even that would not make room.
func (d *Disk) Save(m runtime.Manifest, block func(i int) ([]byte, error)) error {
	if err := checkManifest(&m); err != nil {
		return err
	}
	d.change.Lock()
	defer d.change.Unlock()
	if d.closed.Load() {
		return errClosed
	}
	before, _, err := d.reallyReadManifest(manifestName(m.Agent))
	if err != nil {
		before = new(manifest) // what it names stays until the next Open if it is there and cannot be read
	}
	s := &saving{d: d, m: &m, block: block, pending: map[runtime.BlockKey]uint32{}}
	s.group.SetLimit(syncs)
	if err := s.run(before.keys()); err != nil {
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			err = fmt.Errorf("the disk is full: %w", err)
		}
		return fmt.Errorf("save agent %q: %w", m.Agent, err)
	}
	d.writeWear()
	return nil
}

// run saves, and then lets go of what the manifest before named. See the package's documentation for the order of things.
func (s *saving) run(before []runtime.BlockKey) (err error) {
	d := s.d
	d.mu.Lock()
	for _, key := range s.m.Blocks {
		if d.index.size(key) == 0 {
			s.pending[key] = 0
		}
	}
	s.left = len(s.pending)
	d.index.hold(s.m.Blocks) // from here on nobody removes what is there already
	d.mu.Unlock()

	file, err := s.writeAll()
	if err != nil {
		return errors.Join(err, s.undo())
	}
	name := file.name
	failed := d.fs.Rename(name, manifestName(s.m.Agent))
	if failed != nil && d.exists(name) {
		return errors.Join(failed, d.remove(name), s.undo())
	}
	d.mu.Lock()
	for key, size := range s.pending {
		d.index.setSize(key, size)
	}
	d.index.put(file.saved, file.size)
	d.mu.Unlock()
	if err := errors.Join(failed, d.fs.SyncDir("agents")); err != nil {
		return err // either manifest may be there after a crash: what they name stays until the next Open
	}
	d.letGo(before)
	return nil
}

// manifestFile is a manifest that is durable under a temporary name.
type manifestFile struct {
	name  string
	saved runtime.Saved
	size  int64
}

// writeAll writes the new blocks and the manifest, and makes all of it durable.
func (s *saving) writeAll() (file manifestFile, err error) {
	d := s.d
	defer func() {
		if err = errors.Join(err, s.group.Wait()); err == nil && len(s.pending) > 0 {
			err = d.fs.SyncDir("blocks")
		}
		if err != nil && file.name != "" {
			err = errors.Join(err, d.remove(file.name))
		}
	}()
	for i, key := range s.m.Blocks {
		if size, fresh := s.pending[key]; fresh && size == 0 {
			if err := s.writeBlock(i, key); err != nil {
				return file, err
			}
		}
	}
	sizes := make([]uint32, len(s.m.Blocks))
	d.mu.Lock()
	for i, key := range s.m.Blocks {
		if sizes[i] = s.pending[key]; sizes[i] == 0 {
			sizes[i] = d.index.size(key)
		}
		sizes[i] = max(sizes[i], 1) // it was found damaged while this save ran
	}
	d.mu.Unlock()
	p := pack(s.m, sizes)
	b, err := p.encode()
	if err != nil {
		return file, err
	}
	size := d.stored(int64(len(b)))
	if err := d.makeRoom(s.bytes+size, s.m.Agent); err != nil {
		return file, err
	}
	name := d.temp()
	f, err := d.write(name, b)
	if err != nil {
		return file, err
	}
	s.sync(f)
	return manifestFile{name, p.summary(size), size}, nil
}

// writeBlock writes a block under its name. It is not durable before the group is done.
func (s *saving) writeBlock(i int, key runtime.BlockKey) error {
	contents, err := s.block(i)
	if err != nil {
		return err
	}
	h, err := s.d.header(s.m.Tag, contents)
	if err != nil {
		return err
	}
	size := s.d.stored(int64(len(h) + len(contents)))
	// The other new blocks are likely as large: room is made once.
	if err := s.d.makeRoom(s.bytes+size*int64(s.left), s.m.Agent); err != nil {
		return err
	}
	s.left--
	name := s.d.temp()
	f, err := s.d.write(name, h.start(key, contents), contents)
	if err != nil {
		return err
	}
	s.pending[key], s.bytes = uint32(size), s.bytes+size
	if err := s.d.fs.Rename(name, blockName(key)); err != nil {
		return errors.Join(err, f.Close(), s.d.remove(name))
	}
	s.sync(f)
	return nil
}

// header returns the header for the contents of a block.
func (d *Disk) header(tag string, contents []byte) (header, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := d.headers[tag]; ok && l.bytes == int64(len(contents)) {
		return l.header, nil
	}
	return bytesHeader(tag, len(contents))
}

// sync makes a file durable beside others, and closes it.
func (s *saving) sync(f File) {
	s.group.Go(func() error { return errors.Join(f.Sync(), f.Close()) })
}

// undo makes everything as it was before.
func (s *saving) undo() error {
	d := s.d
	d.mu.Lock()
	d.index.drop(s.m.Blocks)
	d.mu.Unlock()
	var errs []error
	for key, size := range s.pending {
		if size > 0 { // also those that another agent names: they were not there, or not usable
			errs = append(errs, d.remove(blockName(key)))
		}
	}
	return errors.Join(errs...)
}

// letGo drops the naming of keys, and removes the files that nobody names any more. What cannot be removed stays until the next Open.
func (d *Disk) letGo(keys []runtime.BlockKey) {
	d.mu.Lock()
	unnamed := d.index.drop(keys)
	d.mu.Unlock()
	for _, key := range unnamed {
		if err := d.remove(blockName(key)); err != nil {
			d.log.Warn("cannot remove a block that nobody names", "error", err)
		}
	}
}
