package tokenizer

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// naiveMerge is byte-pair encoding as its definition goes: join the leftmost pair of
// the lowest rank until there is none.
func naiveMerge(t *mergeTable, ids []int32) []int32 {
	ids = append([]int32(nil), ids...)
	for {
		best, at := merge{rank: noMerge}, -1
		for i := 0; i+1 < len(ids); i++ {
			if m := t.get(ids[i], ids[i+1]); m.rank < best.rank {
				best, at = m, i
			}
		}
		if at < 0 {
			return ids
		}
		ids = append(append(append([]int32(nil), ids[:at]...), best.id), ids[at+2:]...)
	}
}

func TestMergeAgreesWithDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, name := range []string{"llama3", "gemma", "split-isolated"} {
		m := golden(t, name).model
		ids := make([]int32, 0, len(m.vocab))
		for i := range int32(len(m.vocab)) {
			ids = append(ids, i)
		}
		words := append(goldenTexts(t), corpus(t, 300), strings.Repeat("a", 100), strings.Repeat("ab", 50))
		for _, word := range words {
			if m.raw {
				word = toByteLevel(word)
			}
			checkMerge(t, m, m.symbols(nil, word))
		}
		for range 300 { // symbols that no text gives
			seq := make([]int32, rng.IntN(60))
			for i := range seq {
				seq[i] = ids[rng.IntN(min(len(ids), 20+rng.IntN(len(ids))))]
			}
			checkMerge(t, m, seq)
		}
	}
}

func checkMerge(t *testing.T, m *bpe, symbols []int32) {
	t.Helper()
	if len(symbols) == 0 {
		return
	}
	want := naiveMerge(&m.merges, symbols)
	s := &scratch{ids: append([]int32(nil), symbols...)}
	require.Equal(t, want, s.mergeSmall(&m.merges))
	s = &scratch{ids: append([]int32(nil), symbols...)}
	require.Equal(t, want, s.mergeLarge(nil, &m.merges))
}

// Cutting a long word does not change its tokens.
func TestEncodeLongAgreesWithMerge(t *testing.T) {
	for _, name := range []string{"llama2", "gemma", "metaspace-never", "unk-fused", "mistral", "llama3"} {
		m := golden(t, name).model
		for _, text := range append(goldenTexts(t), corpus(t, 2000)) {
			word := strings.ReplaceAll(text, " ", "▁")
			require.Equal(t, m.merge([]int32{}, word), m.encodeLong([]int32{}, word), "%s: %q", name, word)
		}
	}
}

func TestUnknownCharacters(t *testing.T) {
	const vocab = `"vocab": {"<unk>": 0, "a": 1, "<0xC3>": 2, "<0xA9>": 3}, "merges": [], "unk_token": "<unk>"`
	for _, c := range []struct {
		options, in string
		want        []int32
	}{
		{``, "axya", []int32{1, 0, 0, 1}},
		{`, "fuse_unk": true`, "axya", []int32{1, 0, 1}},
		{`, "byte_fallback": true`, "éaé", []int32{2, 3, 1, 2, 3}},
		{`, "byte_fallback": true`, "xé", []int32{2, 3, 0}}, // as the reference has it: bytes first
		{`, "byte_fallback": true, "fuse_unk": true`, "xéya", []int32{2, 3, 0, 1}},
		{`, "byte_fallback": true`, "ẽ", []int32{0}}, // a byte is missing
	} {
		tok, err := Parse([]byte(model(vocab + c.options)))
		require.NoError(t, err)
		require.Equal(t, c.want, tok.Encode(c.in, false), "%q with %s", c.in, c.options)
	}
}

func TestWordCacheIsBounded(t *testing.T) {
	c := newWordCache()
	for i := range 3 * cacheSlots {
		c.put("w"+strconv.Itoa(i), []int32{int32(i)})
	}
	found := 0
	for i := range 3 * cacheSlots {
		if ids := c.get("w" + strconv.Itoa(i)); ids != nil {
			require.Equal(t, []int32{int32(i)}, ids)
			found++
		}
	}
	require.Greater(t, found, cacheSlots/2)
	require.LessOrEqual(t, found, cacheSlots)

	long := strings.Repeat("x", maxCachedWord+1)
	c.put(long, []int32{1})
	require.Nil(t, c.get(long))
}

func TestByteLevelIsABijection(t *testing.T) {
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	spelt := toByteLevel(string(all))
	require.Len(t, []rune(spelt), 256)
	require.Equal(t, all, fromByteLevel(nil, spelt))
	require.Equal(t, []byte("x漢"), fromByteLevel([]byte("x"), "漢"), "not in the alphabet: as it is")
}

// Half a megabyte of each kind would take hours if the time grew with its square.
func TestHardTexts(t *testing.T) {
	for _, name := range []string{"llama3", "deepseek", "gemma"} {
		tok := golden(t, name)
		for kind, text := range hardTexts(t, 1<<19) {
			want := lossy([]byte(text)) // the end may be half a character
			require.True(t, want == tok.Decode(tok.Encode(text, false), false), "%s on %s", name, kind)
		}
	}
}
