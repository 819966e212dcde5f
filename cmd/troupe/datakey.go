package main

import (
	"fmt"
	"io"
	"os"

	"troupe/persistence"
)

// readDataKey reads the key of the data folder; an empty path is no key. Nobody but the file's owner may be able to read it.
func readDataKey(path string) (*persistence.Key, error) {
	if path == "" {
		return nil, nil
	}
	key, err := dataKey(path)
	if err != nil {
		return nil, fmt.Errorf("--data-key: %w", err)
	}
	return key, nil
}

func dataKey(path string) (*persistence.Key, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", path)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("others may use %s, whose mode is %04o: chmod 600 it", path, mode)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return nil, err
	}
	key, err := persistence.ParseKey(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &key, nil
}
