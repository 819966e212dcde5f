package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// shelf makes a folder of models out of links to small ones, and of what is none.
func shelf(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	tiny, err := filepath.Abs(tinyDir)
	require.NoError(t, err)
	for _, dir := range []string{"org", "org/broken", "empty", "deep/er/model"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o700))
	}
	require.NoError(t, os.Symlink(tiny, filepath.Join(root, "tiny")))
	require.NoError(t, os.Symlink(tiny, filepath.Join(root, "org", "tiny")))
	for _, file := range []string{"org/broken/config.json", "deep/er/model/config.json", "file"} {
		require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(`{"model_type":"teapot"}`), 0o600))
	}
	return root
}

func TestCatalogueHasWhatTheSettingsName(t *testing.T) {
	root := shelf(t)
	for _, c := range []struct {
		model, models string
		first         string
		names         []string
	}{
		{starterName, "", starterName, []string{starterName}},
		{tinyDir, "", "llama-f32", []string{"llama-f32", starterName}},
		{starterName, root, starterName, []string{"org/broken", "org/tiny", starterName, "tiny"}},
		{tinyDir, root, "llama-f32", []string{"llama-f32", "org/broken", "org/tiny", starterName, "tiny"}},
		{filepath.Join(root, "org", "tiny"), root, "org/tiny", []string{"org/broken", "org/tiny", starterName, "tiny"}},
		{"/x/starter", "", "/x/starter", []string{"/x/starter", starterName}},
	} {
		k, err := newCatalogue(&serveCmd{modelFlag: modelFlag{c.model}, Models: c.models}, nil, nil, nil)
		require.NoError(t, err)
		names, err := k.Names()
		require.NoError(t, err)
		require.Equal(t, c.names, names)
		require.Equal(t, c.first, k.first)
	}
	for _, bad := range []string{filepath.Join(root, "none"), filepath.Join(root, "file")} {
		_, err := newCatalogue(&serveCmd{modelFlag: modelFlag{starterName}, Models: bad}, nil, nil, nil)
		require.ErrorContains(t, err, "--models: ")
	}
}

func TestCatalogueChecksBeforeAnythingIsLoaded(t *testing.T) {
	c := &serveCmd{modelFlag: modelFlag{starterName}, Models: shelf(t), engineFlags: engineFlags{KVMemory: 1 << 20, MemoryLimit: 1 << 30, BlockTokens: 16}}
	k, err := newCatalogue(c, nil, nil, nil)
	require.NoError(t, err)
	s, err := k.Open("org/tiny")
	require.NoError(t, err)
	require.Equal(t, "org/tiny", s.Name)
	require.EqualValues(t, 1<<30-1<<27, s.Room)
	require.Greater(t, s.Bytes, int64(1<<19))
	require.Less(t, s.Bytes, int64(1<<23))

	for name, want := range map[string]string{
		"":              "there is no model \"\"; there are org/broken, org/tiny, starter, tiny",
		"org":           "there is no model",
		"../x":          "there is no model",
		"/etc":          "there is no model",
		"org/../tiny":   "there is no model",
		"deep/er/model": "there is no model",
		"empty":         "there is no model",
	} {
		_, err := k.Open(name)
		require.Equal(t, runtime.Unknown, runtime.KindOf(err), name)
		require.ErrorContains(t, err, want)
	}
	_, err = k.Open("org/broken")
	require.Equal(t, runtime.Invalid, runtime.KindOf(err))
	require.ErrorContains(t, err, "teapot")
	c.MemoryLimit = 1 << 20
	_, err = k.Open("tiny")
	require.Equal(t, runtime.Invalid, runtime.KindOf(err))
	require.ErrorContains(t, err, "does not fit")
}
