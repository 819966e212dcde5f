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
	pending map[runtime.BlockKey]uint32 // new blocks and the sizes of their files; 0: not known yet
	left    int                         // new blocks whose size is not known yet
	bytes   int64                       // of pending
	made    []runtime.BlockKey          // new blocks that may have their names
	group   errgroup.Group              // what is made durable
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
	if err := d.tidy(); err != nil {
		return fmt.Errorf("save agent %q: %w", m.Agent, err)
	}
	if old, err := d.fs.Open(manifestName(m.Agent)); err == nil { // so that giving its name to the new one need not free it: some file systems take long
		defer func() { d.freeing.Go(func() { _ = old.Close() }) }()
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
	failed := d.place(name, manifestName(s.m.Agent))
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

// manifestFile is a manifest that has a temporary name.
type manifestFile struct {
	name  string
	saved runtime.Saved
	size  int64
}

// writeAll writes the new blocks and the manifest, and makes all of it durable: the contents of the files and the names of the blocks, in any order and at
// once. Until the manifest has its name nobody relies on any of it: a block whose name survives a power cut and whose contents do not is one that no
// manifest names, or one that was lost before and is found damaged again.
func (s *saving) writeAll() (file manifestFile, err error) {
	d := s.d
	defer func() {
		if err = errors.Join(err, s.group.Wait()); err != nil && file.name != "" {
			err = errors.Join(err, d.remove(file.name))
		}
	}()
	for i, key := range s.m.Blocks {
		size, fresh := s.pending[key]
		if !fresh || size > 0 {
			continue
		}
		contents, err := s.block(i)
		if err != nil {
			return file, err
		}
		h, err := s.measure(key, contents)
		if err != nil {
			return file, err
		}
		f, err := s.writeBlock(key, h, contents)
		if err != nil {
			return file, err
		}
		if s.left == 0 {
			s.group.Go(func() error { return d.fs.SyncDir("blocks") })
		}
		s.sync(f)
	}
	if file, err = s.writeManifest(); err != nil {
		return file, err
	}
	d.writeWear() // all is counted, and the disk is busy with the rest
	return file, nil
}

// measure finds out how large the file of a new block will be, and makes room for it. It returns the file's header.
func (s *saving) measure(key runtime.BlockKey, contents []byte) (header, error) {
	h, err := s.d.header(s.m.Tag, contents)
	if err != nil {
		return nil, err
	}
	size := s.d.stored(int64(len(h) + len(contents)))
	// The other new blocks are likely as large: room is made once.
	if err := s.d.makeRoom(s.bytes+size*int64(s.left), s.m.Agent); err != nil {
		return nil, err
	}
	s.left--
	s.pending[key], s.bytes = uint32(size), s.bytes+size
	return h, nil
}

// writeManifest writes the manifest, once the sizes of all new blocks are known. It is not durable before the group is done.
func (s *saving) writeManifest() (file manifestFile, err error) {
	d := s.d
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

// writeBlock writes a block under its name. Its contents are durable when they are synced, its name when the folder is.
func (s *saving) writeBlock(key runtime.BlockKey, h header, contents []byte) (File, error) {
	name := s.d.temp()
	f, err := s.d.write(name, h.start(key, contents), contents)
	if err != nil {
		return nil, err
	}
	s.made = append(s.made, key)
	if err := s.d.place(name, blockName(key)); err != nil {
		return nil, errors.Join(err, f.Close(), s.d.remove(name))
	}
	return f, nil
}

// place gives a file that was written its name. Whoever finds the one before damaged holds mu meanwhile, so that it is not the new one that is set aside.
func (d *Disk) place(from, to string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.fs.Rename(from, to)
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
	for _, key := range s.made { // also those that another agent names: they were not there, or not usable
		errs = append(errs, d.remove(blockName(key)))
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
