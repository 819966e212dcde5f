package e2e

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// TestAgentsRememberInAnEncryptedFolder restarts a server with a key. Without it nothing is to be found in the folder, and no server starts on it.
func TestAgentsRememberInAnEncryptedFolder(t *testing.T) {
	const n = 4
	dir := t.TempDir()
	key, other := filepath.Join(dir, "key"), filepath.Join(dir, "other")
	require.NoError(t, os.WriteFile(key, []byte(strings.Repeat("0123456789abcdef", 4)+"\n"), 0o600))
	require.NoError(t, os.WriteFile(other, []byte(strings.Repeat("fedcba9876543210", 4)), 0o600))

	codes, talks := codeWords(n)
	s := troupetest.Start(t, "--data-key", key)
	told := everyone(t, s.URL, talks)
	s.Stop()
	require.Equal(t, n, savedAgents(t, s.Data))
	const words = "agent-0 tokens saved_at layers.0.keys __metadata__" // what stands in files that are not encrypted
	require.Empty(t, found(t, s.Data, words))

	for _, c := range []struct {
		flags []string
		said  string
	}{
		{nil, "it is encrypted and there is no key"},
		{[]string{"--data-key", other}, "it is encrypted with another key"},
	} {
		status, stderr := troupetest.Run(t, append([]string{"serve", "--listen", "127.0.0.1:0", "--data", s.Data}, c.flags...)...)
		require.Equal(t, 1, status)
		require.Contains(t, stderr, c.said)
	}

	questions := asked(talks, told)
	s = s.Again("--data-key", key)
	answers := everyone(t, s.URL, questions)
	s.Stop()

	plain := troupetest.Start(t)
	everyone(t, plain.URL, talks)
	plain.Stop()
	require.Equal(t, strings.Fields(words), found(t, plain.Data, words), "or this test looks for the wrong words")
	requireRecall(t, codes, told, answers, coldAnswers(t, questions, told))
}

// found returns those of the words that are in a file below a folder, or in its name.
func found(t *testing.T, dir, words string) (list []string) {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.WriteString(strings.TrimPrefix(path, dir) + "\n")
		all.Write(b)
		return err
	}))
	for word := range strings.FieldsSeq(words) {
		if strings.Contains(all.String(), word) {
			list = append(list, word)
		}
	}
	return list
}
