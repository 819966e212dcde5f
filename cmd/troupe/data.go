package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"

	"troupe/persistence"
)

// defaultData is the data folder without --data: where the system keeps data of programs for a user.
func defaultData() (string, error) {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "troupe"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home folder to keep data in (%w): say --data DIR", err)
	}
	if runtime.GOOS == "darwin" {
		return filepath.Join(home, "Library", "Application Support", "troupe"), nil
	}
	return filepath.Join(home, ".local", "share", "troupe"), nil
}

// openData takes possession of the data folder and of what is saved in it.
func (f *diskFlags) openData(log *slog.Logger) (*persistence.Disk, error) {
	key, err := readDataKey(f.DataKey)
	if err != nil {
		return nil, err
	}
	dir := f.Data
	if dir == "" {
		if dir, err = defaultData(); err != nil {
			return nil, err
		}
	}
	store, err := persistence.Open(dir, persistence.Options{Budget: int64(f.DiskBudget), Log: log, Key: key})
	if err != nil {
		return nil, fmt.Errorf("%w; --data DIR chooses another folder", err)
	}
	return store, nil
}
