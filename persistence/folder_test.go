package persistence_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/persistence"
)

func TestFolderIsMadeForItsOwnerOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	f, err := persistence.OpenFolder(dir)
	require.NoError(t, err)
	require.Equal(t, dir, f.Path())
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	require.NoError(t, f.Close())
}

func TestFolderHasOneOwner(t *testing.T) {
	dir := t.TempDir()
	first, err := persistence.OpenFolder(dir)
	require.NoError(t, err)
	_, err = persistence.OpenFolder(dir)
	require.ErrorContains(t, err, "another server is using it")
	require.NoError(t, first.Close())
	second, err := persistence.OpenFolder(dir)
	require.NoError(t, err, "free again")
	require.NoError(t, second.Close())
}

func TestFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := persistence.OpenFolder(filepath.Join(file, "data"))
	require.ErrorContains(t, err, "data folder")
}
