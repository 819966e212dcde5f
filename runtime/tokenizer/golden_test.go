package tokenizer

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// goldens is what testdata/make_goldens.py writes for one tokenizer.
type goldens struct {
	IDs     [][]int32         `json:"ids"`
	Decoded []*string         `json:"decoded"`
	Random  []json.RawMessage `json:"random"`
}

// TestGoldens compares with the reference library, case by case. TROUPE_TOKENIZER_GOLDENS
// names another folder of goldens, made from real tokenizers, that is compared as well.
func TestGoldens(t *testing.T) {
	folders := []string{"testdata/goldens"}
	if more := os.Getenv("TROUPE_TOKENIZER_GOLDENS"); more != "" {
		folders = append(folders, more)
	}
	for _, folder := range folders {
		var texts []string
		readJSON(t, filepath.Join(folder, "texts.json"), &texts)
		require.Greater(t, len(texts), 200)
		files, err := filepath.Glob(filepath.Join(folder, "*.tokenizer.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files)
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".tokenizer.json")
			t.Run(name, func(t *testing.T) {
				tok := parseFile(t, file)
				var g goldens
				readJSON(t, filepath.Join(folder, name+".cases.json"), &g)
				compare(t, tok, texts, g)
			})
		}
	}
}

func compare(t *testing.T, tok *Tokenizer, texts []string, g goldens) {
	require.Len(t, g.IDs, len(texts))
	require.NotEmpty(t, g.Random)
	wrong, total := 0, 0
	check := func(ok bool, format string, args ...any) {
		total++
		if !ok {
			if wrong++; wrong <= 5 {
				t.Errorf(format, args...)
			}
		}
	}
	for i, text := range texts {
		ids := tok.Encode(text, i%2 == 1)
		check(equal(ids, g.IDs[i]), "encode %q:\n got %v\nwant %v", text, ids, g.IDs[i])
		want := text
		if g.Decoded[i] != nil {
			want = *g.Decoded[i]
		}
		got := tok.Decode(g.IDs[i], i%3 == 0)
		check(got == want, "decode %v of %q:\n got %q\nwant %q", g.IDs[i], text, got, want)
	}
	for _, raw := range g.Random {
		var ids []int32
		var all, plain string
		require.NoError(t, json.Unmarshal(raw, &[]any{&ids, &all, &plain}))
		got := tok.Decode(ids, false)
		check(got == all, "decode %v:\n got %q\nwant %q", ids, got, all)
		got = tok.Decode(ids, true)
		check(got == plain, "decode %v without specials:\n got %q\nwant %q", ids, got, plain)
	}
	if wrong > 0 {
		t.Errorf("%d of %d comparisons differ", wrong, total)
	}
}

func equal(a, b []int32) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

func readJSON(t testing.TB, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, into), path)
}

func parseFile(t testing.TB, path string) *Tokenizer {
	t.Helper()
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	tok, err := Parse(raw)
	require.NoError(t, err, path)
	return tok
}
