package tokenizer

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// corpus returns n bytes of ordinary text: the texts of the goldens, over and over.
func corpus(t testing.TB, n int) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/texts.py")
	require.NoError(t, err)
	_, text, ok := strings.Cut(string(raw), `CORPUS = """`)
	require.True(t, ok)
	text, _, ok = strings.Cut(text, `"""`)
	require.True(t, ok)
	return strings.Repeat(text, n/len(text)+1)[:n]
}

// hardTexts are those on which a tokenizer can be slow. Each has n bytes.
func hardTexts(t testing.TB, n int) map[string]string {
	fill := func(s string) string { return strings.Repeat(s, n/len(s)+1)[:n] }
	var letters strings.Builder // no spaces and no period
	for i, x := 0, uint32(1); i < n; i++ {
		x = x*1664525 + 1013904223
		letters.WriteByte('a' + byte(x>>24)%26)
	}
	return map[string]string{
		"ordinary": corpus(t, n),
		"nospace":  letters.String(),
		"same":     fill("a"),
		"spaces":   fill(" "),
		"newlines": fill("\n"),
		"mixed":    fill(" \n  "),
		"han":      fill("漢字"),
		"marks":    fill("a\u0301\u0323"),
		"digits":   fill("1234567"),
		"punct":    fill("<"),
		"upper":    fill("ABC"),
		"emoji":    fill("👩‍👩‍👧"),
	}
}

// BenchmarkEncode encodes a megabyte with tokenizers of the goldens, or with those in
// TROUPE_TOKENIZER_GOLDENS. The ordinary text repeats every few kilobytes, so the word
// cache answers most of it; text that does not repeat takes two to three times as long.
func BenchmarkEncode(b *testing.B) {
	folder := "testdata/goldens"
	names := []string{"llama3", "qwen2", "deepseek", "o200k", "llama2", "gemma"}
	if more := os.Getenv("TROUPE_TOKENIZER_GOLDENS"); more != "" {
		folder, names = more, nil
		files, err := filepath.Glob(filepath.Join(more, "*.tokenizer.json"))
		require.NoError(b, err)
		for _, f := range files {
			names = append(names, strings.TrimSuffix(filepath.Base(f), ".tokenizer.json"))
		}
	}
	for _, name := range names {
		tok := parseFile(b, filepath.Join(folder, name+".tokenizer.json"))
		for kind, text := range hardTexts(b, 1<<20) {
			b.Run(name+"/"+kind, func(b *testing.B) {
				b.SetBytes(int64(len(text)))
				for b.Loop() {
					tok.Encode(text, false)
				}
			})
		}
	}
}
