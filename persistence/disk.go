package persistence

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"troupe/runtime"
)

// Options of a store. The zero value is good.
type Options struct {
	Budget int64        // most bytes on disk; 0 is no limit
	Log    *slog.Logger // told of damaged files and of agents that the budget cost; nil: nobody is
	FS     FS           // nil: the folder as the operating system has it
	Key    *Key         // encrypts the folder, which must be empty or encrypted with it; nil: it is not encrypted
}

// Disk is a [runtime.Store] in a folder. It holds everything that a caller was told is saved through any crash, and hands out nothing that is not
// exactly what was saved.
type Disk struct {
	dir    string
	budget int64
	log    *slog.Logger
	fs     FS
	stored func(n int64) int64 // what a file of n bytes takes on disk
	lock   io.Closer
	temps  atomic.Uint64 // temporary files so far
	closed atomic.Bool

	change  sync.Mutex     // held while the folder is changed
	freeing sync.WaitGroup // manifests that were replaced and are being closed; added to with change held
	tidied  bool           // protected by change
	looked  chan struct{}  // closed when tidy was tried

	buffers sync.Pool // of *buffer

	mu          sync.Mutex // protects the following fields
	index       *index
	headers     map[string]layout // by tag
	written     int64
	collected   uint64
	quarantined int
	quarantine  []string // what is in the folder of that name, oldest first
}

// layout is the header for contents of one size.
type layout struct {
	header header
	bytes  int64
}

var errClosed = errors.New("the store is closed")

// Open takes possession of a data folder, which it makes if it is not there, and finds what is saved in it without reading a block. It fails if the
// folder cannot be written to, if another process has it (two servers on one folder would overwrite each other's agents), if it is not encrypted with
// the given key, and if a newer version of this program wrote it.
//
// The budget is enforced. What an interrupted save left behind is removed soon after; until then Save, Delete, Usage and Close wait, and Has says what the
// manifests do.
func Open(dir string, o Options) (*Disk, error) {
	d := &Disk{
		dir: dir, budget: o.Budget, log: o.Log, fs: o.FS, stored: func(n int64) int64 { return n },
		looked: make(chan struct{}), index: newIndex(), headers: map[string]layout{},
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if err := d.open(o.Key); err != nil {
		return nil, fmt.Errorf("data folder %s: %w", dir, err)
	}
	return d, nil
}

func (d *Disk) open(key *Key) (err error) {
	if d.fs == nil {
		if d.fs, err = openFolder(d.dir); err != nil {
			return err
		}
	}
	if d.lock, err = d.fs.Lock("LOCK"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.lock.Close())
		}
	}()
	for _, sub := range []string{"agents", "blocks", "tmp", "quarantine"} {
		if err := d.fs.Mkdir(sub); err != nil {
			return err
		}
	}
	if err := d.fs.SyncDir("."); err != nil {
		return err
	}
	if err := d.seals(key); err != nil {
		return err
	}
	return d.scan()
}

// Path returns where the folder is.
func (d *Disk) Path() string { return d.dir }

// Use says of which tensors the contents of the blocks of a tag consist, so that their files say so too. Blocks of a tag that it was not told of are
// stored as one tensor of bytes.
func (d *Disk) Use(tag string, tensors []runtime.BlockTensor) error {
	h, n, err := newHeader(tag, tensors)
	if err != nil {
		return fmt.Errorf("blocks of %q: %w", tag, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.headers[tag] = layout{h, n}
	return nil
}

// List implements [runtime.Store].
func (d *Disk) List() []runtime.Saved {
	d.mu.Lock()
	list := make([]runtime.Saved, 0, len(d.index.agents))
	for _, a := range d.index.agents {
		list = append(list, a.saved)
	}
	d.mu.Unlock()
	slices.SortFunc(list, func(a, b runtime.Saved) int { return strings.Compare(a.Agent, b.Agent) })
	return list
}

// Usage implements [runtime.Store]. After Open it waits until the files of blocks have been seen, once.
func (d *Disk) Usage() runtime.StoreUsage {
	<-d.looked
	d.mu.Lock()
	defer d.mu.Unlock()
	return runtime.StoreUsage{
		Agents: len(d.index.agents), Blocks: d.index.stored, Bytes: d.index.bytes, Budget: d.budget,
		Written: d.written, Collected: d.collected, Quarantined: d.quarantined,
	}
}

// Close waits for a save that runs and lets another process have the folder. The kernel does the latter if this one dies. Every call after it fails.
func (d *Disk) Close() error {
	d.change.Lock()
	defer d.change.Unlock()
	d.mu.Lock() // from now on nobody sets a file aside
	closed := d.closed.Swap(true)
	d.mu.Unlock()
	if closed {
		return nil
	}
	d.freeing.Wait()
	if err := d.lock.Close(); err != nil {
		return fmt.Errorf("data folder %s: %w", d.dir, err)
	}
	return nil
}

// temp returns a name for a file that is being written.
func (d *Disk) temp() string { return fmt.Sprintf("tmp/%d", d.temps.Add(1)) }

// write makes a file of these parts and returns it open, to be synced. Whoever opens it from now on sees all of it. On error there is no file.
func (d *Disk) write(name string, parts ...[]byte) (File, error) {
	f, err := d.fs.Create(name)
	if err != nil {
		return nil, err
	}
	size := int64(0)
	for _, part := range parts {
		n, err := f.Write(part)
		d.wrote(int64(n))
		if err == nil && n < len(part) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return nil, errors.Join(err, f.Close(), d.remove(name))
		}
		size += int64(n)
	}
	if f, holds := f.(ender); holds {
		if err := f.End(); err != nil {
			return nil, errors.Join(err, f.Close(), d.remove(name))
		}
	}
	d.wrote(d.stored(size) - size)
	return f, nil
}

// wrote counts bytes that went to the disk.
func (d *Disk) wrote(n int64) {
	d.mu.Lock()
	d.written += n
	d.mu.Unlock()
}

// read returns a whole file of at most limit bytes.
func (d *Disk) read(name string, limit int64) ([]byte, error) {
	f, err := d.fs.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("%w: %d bytes", errDamaged, size)
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(f, b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: it ends early", errDamaged)
		}
		return nil, err
	}
	return b, nil
}

// remove removes a file if it is there.
func (d *Disk) remove(name string) error {
	if err := d.fs.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
