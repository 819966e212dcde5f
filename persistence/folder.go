// Package persistence keeps what must outlive the process. Today that is the data folder itself; saved agents follow (runtime.Store).
package persistence

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Folder is a data folder that belongs to this process until Close.
type Folder struct {
	dir  string
	lock *os.File
}

// OpenFolder makes a data folder, readable by its owner only, if it is not there, and takes possession of it. It fails if the folder cannot be written
// to, and if another process has it: two servers on one folder would overwrite each other's agents.
func OpenFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "LOCK"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		closed := lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another server is using it; stop that one or choose another folder")
		}
		return nil, errors.Join(fmt.Errorf("data folder %s: %w", dir, err), closed)
	}
	return &Folder{dir: dir, lock: lock}, nil
}

// Path returns where the folder is.
func (f *Folder) Path() string { return f.dir }

// Close lets another process have the folder. The kernel does the same if this one dies.
func (f *Folder) Close() error {
	if err := f.lock.Close(); err != nil {
		return fmt.Errorf("data folder %s: %w", f.dir, err)
	}
	return nil
}
