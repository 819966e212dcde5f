package tokenizer

import (
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func golden(t testing.TB, name string) *Tokenizer {
	t.Helper()
	return parseFile(t, "testdata/goldens/"+name+".tokenizer.json")
}

func goldenTexts(t testing.TB) []string {
	t.Helper()
	var texts []string
	readJSON(t, "testdata/goldens/texts.json", &texts)
	return texts
}

func TestLookup(t *testing.T) {
	tok := golden(t, "llama3")
	begin, ok := tok.ID("<|begin|>")
	require.True(t, ok)
	require.True(t, tok.IsSpecial(begin))
	content, ok := tok.Token(begin)
	require.True(t, ok)
	require.Equal(t, "<|begin|>", content)

	tool, ok := tok.ID("<|tool|>")
	require.True(t, ok)
	require.False(t, tok.IsSpecial(tool), "added, but not special")

	space, ok := tok.ID("Ġ")
	require.True(t, ok, "vocabulary entries are spelt in the byte alphabet")
	require.Equal(t, []int32{space}, tok.Encode(" ", false))
	require.Equal(t, []int32{begin, space}, tok.Encode(" ", true))

	_, ok = tok.ID("no such token")
	require.False(t, ok)
	for _, id := range []int32{-1, int32(tok.VocabSize()), 1 << 30} {
		_, ok = tok.Token(id)
		require.False(t, ok)
		require.False(t, tok.IsSpecial(id))
	}
	_, ok = tok.Token(int32(tok.VocabSize() - 1))
	require.True(t, ok, "VocabSize is the highest id plus one")
}

// The reference gives an added token of the vocabulary its id there, and others the
// number of vocabulary entries onwards, whatever the file says.
func TestAddedIDsFollowTheReference(t *testing.T) {
	tok := golden(t, "gaps")
	id, ok := tok.ID("<|begin|>")
	require.True(t, ok)
	require.EqualValues(t, 300, id)
	require.Equal(t, 305, tok.VocabSize())
	_, ok = tok.Token(272)
	require.False(t, ok, "272 is in the gap")
	require.Empty(t, tok.Decode([]int32{272}, false))
}

func TestNormalizedAddedTokenKeepsItsContent(t *testing.T) {
	tok := golden(t, "llama2")
	id, ok := tok.ID("<new token>")
	require.True(t, ok)
	content, ok := tok.Token(id)
	require.True(t, ok)
	require.Equal(t, "<new token>", content)
	// The decoder gets the normalised form, with a space before it.
	require.Equal(t, "▁<new▁token>", tok.tokens[id])
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	for _, name := range []string{"qwen2", "gemma", "metaspace-first"} {
		tok := golden(t, name)
		require.Equal(t, tok.Encode("a\uFFFDb\uFFFD\uFFFDc", false), tok.Encode("a\xffb\xe4\xbd\xf0\x9fc", false), name)
	}
}

func TestEncodeGivesTheCallerItsOwnSlice(t *testing.T) {
	tok := golden(t, "qwen2")
	first := tok.Encode("hello world", false)
	want := append([]int32(nil), first...)
	for i := range first {
		first[i] = -7
	}
	require.Equal(t, want, tok.Encode("hello world", false))
}

// Run with -race.
func TestConcurrentUse(t *testing.T) {
	texts := goldenTexts(t)
	tok := golden(t, "gemma")
	want := make([][]int32, len(texts))
	for i, s := range texts {
		want[i] = golden(t, "gemma").Encode(s, true)
		if i == 20 {
			texts = texts[:20]
			break
		}
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				for i, s := range texts {
					if !equal(tok.Encode(s, true), want[i]) {
						t.Errorf("%q differs when used concurrently", s)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// byteLevels are tokenizers that give every text back.
var byteLevels = []string{"llama3", "cl100k", "deepseek", "o200k", "kimi", "split-isolated"}

func FuzzEncodeDecode(f *testing.F) {
	for _, s := range goldenTexts(f) {
		f.Add(s)
	}
	f.Add("\xff\xfe a\xc3")
	toks := map[string]*Tokenizer{}
	for _, name := range byteLevels {
		toks[name] = golden(f, name)
	}
	chars := golden(f, "gemma")
	f.Fuzz(func(t *testing.T, s string) {
		want := s
		if !utf8.ValidString(s) {
			want = lossy([]byte(s))
		}
		for name, tok := range toks {
			ids := tok.Encode(s, false)
			require.Equal(t, want, tok.Decode(ids, false), name)
			require.Equal(t, ids, tok.Encode(s, true)[len(tok.Encode("", true)):], "the template only adds")
			for _, id := range ids {
				require.True(t, tok.known(id))
			}
		}
		require.True(t, utf8.ValidString(chars.Decode(chars.Encode(s, true), true)))
	})
}
