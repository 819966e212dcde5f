package main

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/mlx"
	"troupe/mlx/engine"
	"troupe/mlx/starter"
)

func TestPerplexityOfEvenLogitsIsTheVocabulary(t *testing.T) {
	even := logits{{{3, 3, 3, 3}, {-1, -1, -1, -1}}}
	require.InDelta(t, 4, even.perplexity([][]int32{{0, 1, 2}}), 1e-9)
	sure := logits{{{0, float32(math.Log(3)), -1e4, -1e4}}} // a quarter and three quarters
	require.InDelta(t, 4.0/3, sure.perplexity([][]int32{{0, 1}}), 1e-6)
}

func TestDistance(t *testing.T) {
	from := logits{{{3, 4}, {0, 5}}}
	rms, turned := from.distance(from)
	require.Zero(t, rms)
	require.Zero(t, turned)
	rms, turned = logits{{{4, 4}, {0, 5}}}.distance(from)
	require.InDelta(t, math.Sqrt(1.0/50), rms, 1e-9)
	require.InDelta(t, 0.5, turned, 1e-9)
}

func TestTextsHaveOneLength(t *testing.T) {
	folder, err := engine.ReadFolder(starter.FS(), "starter")
	require.NoError(t, err)
	texts, err := readText(context.Background(), folder.Model, "../../mlx/starter/heldout.jsonl", 3, 100)
	require.NoError(t, err)
	require.Len(t, texts, 3)
	for _, text := range texts {
		require.Len(t, text, 100)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	require.NoError(t, os.WriteFile(bad, []byte("{\n"), 0o600))
	_, err = readText(context.Background(), folder.Model, bad, 1, 1)
	require.Error(t, err)
	_, err = readText(context.Background(), folder.Model, "../../mlx/starter/heldout.jsonl", 3, 1<<20)
	require.ErrorContains(t, err, "no conversation")
}

// TestKernelsComputeTheStarter is the program in small: exact kernels are as good as MLX's operations, and the model knows its language.
func TestKernelsComputeTheStarter(t *testing.T) {
	if err := mlx.Available(); err != nil {
		t.Skip(err)
	}
	folder, err := engine.ReadFolder(starter.FS(), "starter")
	require.NoError(t, err)
	texts, err := readText(context.Background(), folder.Model, "../../mlx/starter/heldout.jsonl", 2, 40)
	require.NoError(t, err)
	var reference logits
	for _, p := range paths("") {
		l, err := compute(folder, p.Options, texts)
		require.NoError(t, err, p.name)
		require.Len(t, l, 2)
		require.Len(t, l[0], 39)
		if reference == nil {
			reference = l
		}
		rms, _ := l.distance(reference)
		require.Less(t, rms, map[int]float64{0: 1e-9, 16: 1e-3, 8: 0.05, 4: 0.5}[p.KVBits], p.name)
		require.Less(t, l.perplexity(texts), 60.0, p.name)
	}
}
