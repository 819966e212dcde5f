package persistence

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"

	"troupe/runtime"
)

// maxQuarantine is how many damaged files are kept for whoever wants to know why.
const maxQuarantine = 16

// Manifest implements [runtime.Store]. It counts as a use of the agent.
func (d *Disk) Manifest(agent string) (runtime.Manifest, error) {
	if d.closed.Load() {
		return runtime.Manifest{}, errClosed
	}
	name := manifestName(agent)
	p, _, err := d.readManifest(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return runtime.Manifest{}, runtime.Errorf(runtime.Unknown, "no saved agent %q", agent)
	case errors.Is(err, errDamaged):
		d.damaged(name, func() error { _, _, err := d.readManifest(name); return err }, func() { d.index.remove(agent) })
		return runtime.Manifest{}, &runtime.Error{Kind: runtime.Unknown, Message: fmt.Sprintf("saved agent %q is lost", agent), Err: err}
	case err != nil:
		return runtime.Manifest{}, fmt.Errorf("read saved agent %q: %w", agent, err)
	}
	d.mu.Lock()
	d.index.touch(agent)
	d.mu.Unlock()
	return p.whole(), nil
}

// Block implements [runtime.Store]. It reads at the speed of the disk and holds no lock meanwhile, so several may be read at once.
func (d *Disk) Block(key runtime.BlockKey, use func(contents []byte) error) error {
	return d.blockFile(key, func(file []byte, contents int) error { return use(file[contents:]) })
}

// Has implements [runtime.Store].
func (d *Disk) Has(keys []runtime.BlockKey) (n int) {
	if d.closed.Load() {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for n < len(keys) && d.index.size(keys[n]) > 0 {
		n++
	}
	return n
}

// blockFile calls use with the checked file of a block, which is valid until use returns. The contents are file[contents:].
func (d *Disk) blockFile(key runtime.BlockKey, use func(file []byte, contents int) error) error {
	if d.closed.Load() {
		return errClosed
	}
	b, _ := d.buffers.Get().(*buffer)
	if b == nil {
		b = new(buffer)
	}
	defer d.buffers.Put(b)
	file, contents, err := d.readBlock(key, b)
	lose := func() { d.index.setSize(key, 0) }
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.damaged(blockName(key), func() error { return d.missing(blockName(key)) }, lose)
		return runtime.Errorf(runtime.Unknown, "no saved block %x", key[:6])
	case errors.Is(err, errDamaged), errors.Is(err, syscall.EIO):
		d.damaged(blockName(key), func() error { _, _, err := d.readBlock(key, b); return err }, lose)
		return &runtime.Error{Kind: runtime.Unknown, Message: fmt.Sprintf("saved block %x is lost", key[:6]), Err: err}
	case err != nil:
		return fmt.Errorf("read saved block %x: %w", key[:6], err)
	}
	return use(file, contents)
}

// buffer is memory for the file of a block, which is used again: new memory for each would cost more than reading from the page cache.
type buffer struct{ bytes []byte }

func (b *buffer) ofSize(n int64) []byte {
	if int64(cap(b.bytes)) < n {
		b.bytes = make([]byte, n)
	}
	return b.bytes[:n]
}

func (d *Disk) readBlock(key runtime.BlockKey, b *buffer) (file []byte, contents int, err error) {
	f, err := d.fs.Open(blockName(key))
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	size, err := f.Size()
	if err != nil {
		return nil, 0, err
	}
	if err := checkBlockSize(size); err != nil {
		return nil, 0, err
	}
	file = b.ofSize(size)
	contents, err = readBlockInto(file, f, key)
	return file, contents, err
}

// damaged takes a file out of use after a read of it failed. look reads it again with mu held, because a save may have replaced it since; lose notes that
// it is gone. A file that the disk cannot read may come back, so it stays until a save replaces it; one that is damaged goes to the quarantine.
func (d *Disk) damaged(name string, look func() error, lose func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed.Load() { // another process may have the folder
		return
	}
	err := look()
	if err == nil {
		return
	}
	lose()
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	d.log.Warn("found a damaged file", "file", name, "error", err)
	if errors.Is(err, errDamaged) {
		if err := d.setAside(name); err != nil {
			d.log.Warn("cannot set a damaged file aside", "file", name, "error", err)
		}
	}
}

// missing returns fs.ErrNotExist if there is no such file.
func (d *Disk) missing(name string) error {
	f, err := d.fs.Open(name)
	if err != nil {
		return err
	}
	return f.Close()
}

func (d *Disk) exists(name string) bool { return !errors.Is(d.missing(name), fs.ErrNotExist) }

// setAside moves a file to the quarantine. mu is held, or nobody else is there yet.
func (d *Disk) setAside(name string) error {
	base := name[strings.LastIndexByte(name, '/')+1:]
	if err := d.fs.Rename(name, "quarantine/"+base); err != nil {
		return err
	}
	d.quarantined++
	for i, old := range d.quarantine {
		if old == base { // replaced
			d.quarantine = append(d.quarantine[:i], d.quarantine[i+1:]...)
			break
		}
	}
	d.quarantine = append(d.quarantine, base)
	d.trimQuarantine()
	return nil
}

// trimQuarantine bounds the folder.
func (d *Disk) trimQuarantine() {
	for len(d.quarantine) > maxQuarantine {
		if err := d.remove("quarantine/" + d.quarantine[0]); err != nil {
			d.log.Warn("cannot empty the quarantine", "error", err)
		}
		d.quarantine = d.quarantine[1:]
	}
}
