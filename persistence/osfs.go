package persistence

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// folder is the FS of the operating system below a folder.
type folder string

// Folder is a folder of the operating system, which must be there.
func Folder(dir string) FS { return folder(dir) }

// openFolder makes the folder, for its owner only, if it is not there.
func openFolder(dir string) (folder, error) {
	return folder(dir), os.MkdirAll(dir, 0o700)
}

type osFile struct{ *os.File }

func (f osFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (d folder) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

func (d folder) Create(name string) (File, error) {
	f, err := os.OpenFile(d.path(name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d folder) Open(name string) (File, error) {
	f, err := os.Open(d.path(name))
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (d folder) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d folder) Remove(name string) error { return os.Remove(d.path(name)) }

func (d folder) Mkdir(name string) error {
	err := os.Mkdir(d.path(name), 0o700)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	return err
}

func (d folder) List(dir string, each func(name string)) error {
	f, err := os.Open(d.path(dir))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	for {
		names, err := f.Readdirnames(1024) // a million names at once would be much memory
		for _, name := range names {
			each(name)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (d folder) SyncDir(dir string) error {
	f, err := os.Open(d.path(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func (d folder) Lock(name string) (io.Closer, error) {
	f, err := os.OpenFile(d.path(name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		closed := f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errors.New("another server is using it; stop that one or choose another folder")
		}
		return nil, errors.Join(err, closed)
	}
	return f, nil
}
