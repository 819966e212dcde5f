package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultKVMemoryIsAQuarterUpToALimit(t *testing.T) {
	require.Equal(t, byteSize(1<<30), defaultKVMemory(4<<30))
	require.Equal(t, byteSize(2<<30), defaultKVMemory(8<<30))
	require.Equal(t, byteSize(2<<30), defaultKVMemory(512<<30))
	require.Equal(t, byteSize(512<<20), defaultKVMemory(0), "unknown")
}

func TestAvailableMemoryIsKnownHere(t *testing.T) {
	require.Greater(t, availableMemory(), int64(64<<20))
	require.LessOrEqual(t, availableMemory(), physicalMemory())
}

func TestContainerMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "memory.max")
	require.Zero(t, containerMemory(file), "no cgroup")
	for text, want := range map[string]int64{"max\n": 0, "1073741824\n": 1 << 30, "": 0} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		require.Equal(t, want, containerMemory(file), text)
	}
}
