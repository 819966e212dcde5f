package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultKVMemoryIsAQuarterUpToALimit(t *testing.T) {
	require.EqualValues(t, 1<<30, defaultKVMemory(4<<30))
	require.EqualValues(t, 2<<30, defaultKVMemory(8<<30))
	require.EqualValues(t, 2<<30, defaultKVMemory(512<<30))
	require.EqualValues(t, 512<<20, defaultKVMemory(0), "unknown")
}

func TestAvailableMemoryIsKnownHere(t *testing.T) {
	require.Greater(t, availableMemory(), int64(64<<20))
	require.LessOrEqual(t, availableMemory(), physicalMemory())
}
