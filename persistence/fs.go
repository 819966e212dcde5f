package persistence

import "io"

// FS is what the store asks of a file system. Names are relative to the data folder and use slashes. What is missing is fs.ErrNotExist. It may be
// used from several goroutines.
//
// It is the seam for whatever stands between the store and the disk: faults in tests, encryption at rest (see [sealedFS]).
type FS interface {
	// Create makes a file for writing, readable by the owner only. It fails if there is one of that name.
	Create(name string) (File, error)
	// Open opens a file for reading.
	Open(name string) (File, error)
	// Rename gives a file another name, at once and for all to see; it replaces a file that has it.
	Rename(from, to string) error
	Remove(name string) error
	// Mkdir makes a folder for the owner only, unless it is there.
	Mkdir(name string) error
	// List calls each for every name in a folder, in any order.
	List(dir string, each func(name string)) error
	// SyncDir returns when the names in a folder are durable. The contents of files are the business of File.Sync.
	SyncDir(dir string) error
	// Lock takes the file of that name for this process, until it is closed or the process dies. It fails if another process has it.
	Lock(name string) (io.Closer, error)
}

// File is an open file, read or written from its start.
type File interface {
	io.Reader
	io.Writer
	io.Closer
	Size() (int64, error)
	// Sync returns when the contents are durable.
	Sync() error
}

// ender is a File that holds back some of what is written until it is told that nothing more comes.
type ender interface {
	File
	// End writes what was held back. Nothing must be written after it.
	End() error
}
