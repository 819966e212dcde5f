package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDataFolderIsMade(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	folder, err := (&diskFlags{Data: dir}).openData(nil)
	require.NoError(t, err)
	require.DirExists(t, dir)
	require.NoError(t, folder.Close())
}

func TestDataFolderThatCannotBeMade(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := (&diskFlags{Data: filepath.Join(file, "data")}).openData(nil)
	require.ErrorContains(t, err, file)
	require.ErrorContains(t, err, "--data DIR")
}

func TestDefaultDataFolder(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/somewhere/share")
	dir, err := defaultData()
	require.NoError(t, err)
	require.Equal(t, "/somewhere/share/troupe", dir)

	t.Setenv("XDG_DATA_HOME", "relative is to be ignored")
	t.Setenv("HOME", "/home/ada")
	dir, err = defaultData()
	require.NoError(t, err)
	require.Contains(t, []string{"/home/ada/.local/share/troupe", "/home/ada/Library/Application Support/troupe"}, dir)

	t.Setenv("HOME", "")
	_, err = (&diskFlags{}).openData(nil)
	require.ErrorContains(t, err, "--data DIR")
}
