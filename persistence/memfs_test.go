package persistence_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"syscall"

	"troupe/persistence"
)

// memFS is a disk in memory that fails on demand and forgets what was not synced when the power is cut.
type memFS struct {
	mu     sync.Mutex // protects the following fields
	dirs   map[string]*memDir
	locked bool
	dead   bool // every operation fails: the process was killed
	ops    int
	at     int   // the operation to fail, from 1; 0 is none
	how    fault // how it fails
	failed string
	can    [][]fault // how each operation since arm could have failed
}

type memDir struct {
	names, durable map[string]*memNode
	made           bool // the folder itself is durable
}

type memNode struct{ data, durable []byte }

// fault is a way to fail. Not every operation can fail in every way.
type fault string

const (
	killed  fault = "killed"  // before the operation, for good
	broken  fault = "EIO"     // nothing happens
	unsure  fault = "unsure"  // it happens, and the answer is EIO
	full    fault = "ENOSPC"  // writes half, makes nothing
	short   fault = "short"   // reads or writes half, without an error
	flipped fault = "flipped" // reads one bit wrong
)

var errKilled = errors.New("killed")

func newMemFS() *memFS { return &memFS{dirs: map[string]*memDir{".": newMemDir()}} }

func newMemDir() *memDir {
	return &memDir{names: map[string]*memNode{}, durable: map[string]*memNode{}}
}

// do runs one operation, or fails instead. mu is not held. can lists the faults that make sense beside the usual ones;
// others are taken for EIO.
func (m *memFS) do(what, name string, can []fault, run func(how fault) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dead {
		return errKilled
	}
	m.ops++
	can = append(can, killed, broken, unsure)
	m.can = append(m.can, can)
	how := fault("")
	if m.ops == m.at {
		how, m.failed = m.how, what+" "+name
		if how == killed {
			m.dead = true
			return errKilled
		}
		if !slices.Contains(can, how) {
			how = broken
		}
		if how == broken {
			return &fs.PathError{Op: what, Path: name, Err: syscall.EIO}
		}
	}
	err := run(how)
	if err == nil && how == unsure {
		return &fs.PathError{Op: what, Path: name, Err: syscall.EIO}
	}
	return err
}

// arm makes the n-th operation from now fail.
func (m *memFS) arm(n int, how fault) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ops, m.at, m.how, m.failed, m.can = 0, n, how, "", nil
}

func (m *memFS) disarm() (ops int, failed string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.at = 0
	return m.ops, m.failed
}

// faults returns how each operation since arm could have failed. A file that is closed in the background may be among them or not.
func (m *memFS) faults() [][]fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.can)
}

// restart ends the process that had the disk. What was to fail still will.
func (m *memFS) restart() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dead, m.locked = false, false
}

// cut takes the power away: of what was not synced, chance decides what is there.
func (m *memFS) cut(chance *rand.Rand) {
	m.restart()
	m.mu.Lock()
	defer m.mu.Unlock()
	var there []*memNode
	for _, name := range slices.Sorted(maps.Keys(m.dirs)) {
		d := m.dirs[name]
		if name != "." && !d.made && chance.IntN(2) == 0 {
			delete(m.dirs, name)
			continue
		}
		union := maps.Clone(d.durable)
		maps.Copy(union, d.names)
		after := map[string]*memNode{}
		for _, entry := range slices.Sorted(maps.Keys(union)) {
			node := d.durable[entry]
			if chance.IntN(2) == 0 {
				node = d.names[entry]
			}
			if node != nil {
				after[entry] = node
				there = append(there, node)
			}
		}
		d.names, d.durable, d.made = after, maps.Clone(after), true
	}
	for _, node := range there {
		if string(node.data) != string(node.durable) {
			if node.durable == nil || chance.IntN(2) == 0 { // the size came through, and a part of the contents
				node.durable = make([]byte, len(node.data))
				copy(node.durable, node.data[:chance.IntN(len(node.data)+1)])
			}
			node.data = slices.Clone(node.durable)
		}
	}
}

// all returns every file outside tmp and quarantine with its contents.
func (m *memFS) all(dir string) map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := map[string][]byte{}
	for name, node := range m.dirs[dir].names {
		files[dir+"/"+name] = slices.Clone(node.data)
	}
	return files
}

// damage changes a file behind the store's back.
func (m *memFS) damage(name string, change func([]byte) []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	node := m.dirs[path.Dir(name)].names[path.Base(name)]
	node.data = change(slices.Clone(node.data))
	node.durable = slices.Clone(node.data)
}

// put makes a file behind the store's back.
func (m *memFS) put(name string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.dirs[path.Dir(name)]
	node := &memNode{data: slices.Clone(data), durable: slices.Clone(data)}
	d.names[path.Base(name)], d.durable[path.Base(name)] = node, node
}

func (m *memFS) dir(name string) (*memDir, error) {
	d, ok := m.dirs[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return d, nil
}

func (m *memFS) Create(name string) (persistence.File, error) {
	node := &memNode{}
	err := m.do("create", name, []fault{full}, func(how fault) error {
		if how == full {
			return &fs.PathError{Op: "create", Path: name, Err: syscall.ENOSPC}
		}
		d, err := m.dir(path.Dir(name))
		if err != nil {
			return err
		}
		if d.names[path.Base(name)] != nil {
			return &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
		}
		d.names[path.Base(name)] = node
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &memFile{m: m, node: node, name: name}, nil
}

func (m *memFS) Open(name string) (persistence.File, error) {
	f := &memFile{m: m, name: name}
	err := m.do("open", name, nil, func(fault) error {
		d, err := m.dir(path.Dir(name))
		if err != nil {
			return err
		}
		if f.node = d.names[path.Base(name)]; f.node == nil {
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (m *memFS) Rename(from, to string) error {
	return m.do("rename", to, []fault{full}, func(how fault) error {
		if how == full {
			return &fs.PathError{Op: "rename", Path: to, Err: syscall.ENOSPC}
		}
		a, err := m.dir(path.Dir(from))
		if err != nil {
			return err
		}
		b, err := m.dir(path.Dir(to))
		if err != nil {
			return err
		}
		node := a.names[path.Base(from)]
		if node == nil {
			return &fs.PathError{Op: "rename", Path: from, Err: fs.ErrNotExist}
		}
		delete(a.names, path.Base(from))
		b.names[path.Base(to)] = node
		return nil
	})
}

func (m *memFS) Remove(name string) error {
	return m.do("remove", name, nil, func(fault) error {
		d, err := m.dir(path.Dir(name))
		if err != nil {
			return err
		}
		if d.names[path.Base(name)] == nil {
			return &fs.PathError{Op: "remove", Path: name, Err: fs.ErrNotExist}
		}
		delete(d.names, path.Base(name))
		return nil
	})
}

func (m *memFS) Mkdir(name string) error {
	return m.do("mkdir", name, nil, func(fault) error {
		if m.dirs[name] == nil {
			m.dirs[name] = newMemDir()
		}
		return nil
	})
}

func (m *memFS) List(dir string, each func(string)) error {
	var names []string
	err := m.do("list", dir, nil, func(fault) error {
		d, err := m.dir(dir)
		if err != nil {
			return err
		}
		names = slices.Sorted(maps.Keys(d.names))
		return nil
	})
	for _, name := range names {
		each(name)
	}
	return err
}

func (m *memFS) SyncDir(dir string) error {
	return m.do("syncdir", dir, nil, func(fault) error {
		d, err := m.dir(dir)
		if err != nil {
			return err
		}
		d.durable = maps.Clone(d.names)
		if dir == "." {
			for _, sub := range m.dirs {
				sub.made = true
			}
		}
		return nil
	})
}

func (m *memFS) Lock(name string) (io.Closer, error) {
	if err := m.do("lock", name, nil, func(how fault) error {
		if m.locked {
			return errors.New("locked")
		}
		m.locked = how != unsure
		return nil
	}); err != nil {
		return nil, err
	}
	return memLock{m}, nil
}

type memLock struct{ m *memFS }

func (l memLock) Close() error {
	l.m.mu.Lock()
	defer l.m.mu.Unlock()
	if !l.m.dead {
		l.m.locked = false
	}
	return nil
}

type memFile struct {
	m    *memFS
	node *memNode
	name string
	at   int
}

func (f *memFile) Read(b []byte) (n int, err error) {
	err = f.m.do("read", f.name, []fault{short, flipped}, func(how fault) error {
		if n = copy(b, f.node.data[min(f.at, len(f.node.data)):]); n == 0 && len(b) > 0 {
			return io.EOF
		}
		f.at += n
		switch {
		case how == flipped:
			b[n/2] ^= 4
		case how == short:
			n /= 2
			f.at = len(f.node.data)
		}
		return nil
	})
	return n, err
}

func (f *memFile) Write(b []byte) (n int, err error) {
	err = f.m.do("write", f.name, []fault{full, short}, func(how fault) error {
		n = len(b)
		if how == full || how == short {
			n /= 2
		}
		f.node.data = append(f.node.data, b[:n]...)
		if how == full {
			return &fs.PathError{Op: "write", Path: f.name, Err: syscall.ENOSPC}
		}
		return nil
	})
	return n, err
}

func (f *memFile) Sync() error {
	return f.m.do("sync", f.name, nil, func(fault) error {
		f.node.durable = slices.Clone(f.node.data)
		return nil
	})
}

func (f *memFile) Size() (n int64, err error) {
	err = f.m.do("size", f.name, nil, func(fault) error {
		n = int64(len(f.node.data))
		return nil
	})
	return n, err
}

func (f *memFile) Close() error {
	return f.m.do("close", f.name, nil, func(fault) error { return nil })
}
