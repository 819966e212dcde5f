package main

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// newDataKey makes a file with a key.
func newDataKey(t *testing.T) string {
	t.Helper()
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	path := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(key[:])+"\n"), 0o600))
	return path
}

func TestDataKeyMustBeItsOwnersAlone(t *testing.T) {
	path := newDataKey(t)
	for _, mode := range []os.FileMode{0o400, 0o600, 0o700} {
		require.NoError(t, os.Chmod(path, mode))
		key, err := readDataKey(path)
		require.NoError(t, err)
		require.NotNil(t, key)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o644, 0o620, 0o601} {
		require.NoError(t, os.Chmod(path, mode))
		_, err := readDataKey(path)
		require.ErrorContains(t, err, "--data-key: others may use "+path)
		require.ErrorContains(t, err, "chmod 600")
	}
}

func TestDataKeyThatIsNone(t *testing.T) {
	key, err := readDataKey("")
	require.NoError(t, err)
	require.Nil(t, key)
	_, err = readDataKey("/no/such/file")
	require.ErrorContains(t, err, "--data-key")
	dir := t.TempDir()
	require.NoError(t, os.Chmod(dir, 0o700))
	_, err = readDataKey(dir)
	require.ErrorContains(t, err, "is not a file")
	path := filepath.Join(dir, "key")
	require.NoError(t, os.WriteFile(path, []byte("correct horse"), 0o600))
	_, err = readDataKey(path)
	require.ErrorContains(t, err, "32 random bytes")
	require.NotContains(t, err.Error(), "horse")
}

func TestDataFolderWithAKey(t *testing.T) {
	dir, key := t.TempDir(), newDataKey(t)
	folder, err := (&diskFlags{Data: dir, DataKey: key}).openData(nil)
	require.NoError(t, err)
	require.NoError(t, folder.Close())
	_, err = (&diskFlags{Data: dir}).openData(nil)
	require.ErrorContains(t, err, "it is encrypted and there is no key")
	_, err = (&diskFlags{Data: dir, DataKey: newDataKey(t)}).openData(nil)
	require.ErrorContains(t, err, "it is encrypted with another key")
}
