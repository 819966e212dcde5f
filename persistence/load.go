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

// Block implements [runtime.Store]. It reads at the speed of the disk and holds no lock meanwhile.
func (d *Disk) Block(key runtime.BlockKey) ([]byte, error) {
	file, contents, err := d.blockFile(key)
	if err != nil {
		return nil, err
	}
	return file[contents:], nil
}

// blockFile returns the checked file of a block. The contents are file[contents:].
func (d *Disk) blockFile(key runtime.BlockKey) (file []byte, contents int, err error) {
	if d.closed.Load() {
		return nil, 0, errClosed
	}
	file, contents, err = d.readBlock(key)
	lose := func() { d.index.setSize(key, 0) }
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.damaged(blockName(key), func() error { return d.missing(blockName(key)) }, lose)
		return nil, 0, runtime.Errorf(runtime.Unknown, "no saved block %x", key[:6])
	case errors.Is(err, errDamaged), errors.Is(err, syscall.EIO):
		d.damaged(blockName(key), func() error { _, _, err := d.readBlock(key); return err }, lose)
		return nil, 0, &runtime.Error{Kind: runtime.Unknown, Message: fmt.Sprintf("saved block %x is lost", key[:6]), Err: err}
	case err != nil:
		return nil, 0, fmt.Errorf("read saved block %x: %w", key[:6], err)
	}
	return file, contents, nil
}

func (d *Disk) readBlock(key runtime.BlockKey) (file []byte, contents int, err error) {
	f, err := d.fs.Open(blockName(key))
	if err != nil {
		return nil, 0, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	size, err := f.Size()
	if err != nil {
		return nil, 0, err
	}
	return readBlockFile(f, size, key)
}

// damaged takes a file out of use after a read of it failed. look reads it again with mu held, because a save may have replaced it since; lose notes that
// it is gone. A file that the disk cannot read may come back, so it stays until a save replaces it; one that is damaged goes to the quarantine.
func (d *Disk) damaged(name string, look func() error, lose func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
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
