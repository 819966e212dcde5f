package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/mlx/engine"
)

func TestKVMemoryByDefault(t *testing.T) {
	layer := engine.Layer{Attention: engine.Attention{KVHeads: 8, HeadDim: 128}} // 4 KiB a token
	large := &engine.Folder{Spec: &engine.Spec{MaxPositions: 32768, Layers: make([]engine.Layer, 32)}}
	for i := range large.Spec.Layers {
		large.Spec.Layers[i] = layer
	}
	require.Equal(t, byteSize(1<<30), byteSize(0).kvMemory(4<<30, large), "a quarter")
	require.Equal(t, byteSize(2<<30), byteSize(0).kvMemory(8<<30, large))
	require.Equal(t, byteSize(2<<30), byteSize(0).kvMemory(512<<30, large), "not more")
	require.Equal(t, byteSize(512<<20), byteSize(0).kvMemory(0, large), "unknown")
	require.Equal(t, byteSize(5<<30), byteSize(5<<30).kvMemory(4<<30, large), "as asked for")

	small := &engine.Folder{Spec: &engine.Spec{MaxPositions: 1024, Layers: []engine.Layer{layer}}}
	require.Equal(t, byteSize(16*1024*4096), byteSize(0).kvMemory(8<<30, small), "16 contexts")
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
