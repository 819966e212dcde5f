package persistence_test

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/persistence"
	"troupe/runtime"
	"troupe/runtime/storetest"
)

func open(t *testing.T, dir string, o persistence.Options) *persistence.Disk {
	t.Helper()
	d, err := persistence.Open(dir, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func TestDiskKeepsTheContract(t *testing.T) {
	for name, key := range map[string]*persistence.Key{"plain": nil, "encrypted": testKey(1)} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) runtime.Store { return open(t, t.TempDir(), persistence.Options{Key: key}) })
		})
	}
}

func TestFolderIsMadeForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	require.Equal(t, dir, open(t, dir, persistence.Options{}).Path())
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
}

func TestFolderHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, persistence.Options{})
	_, err := persistence.Open(dir, persistence.Options{})
	require.ErrorContains(t, err, "another server is using it")
	require.NoError(t, first.Close())
	open(t, dir, persistence.Options{}) // free again
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := persistence.Open(filepath.Join(file, "data"), persistence.Options{})
	require.ErrorContains(t, err, "data folder")
}

// fileOf returns the file of an agent's manifest.
func fileOf(agent string) string {
	return fmt.Sprintf("agents/%x.manifest", sha256.Sum256([]byte(agent)))
}
