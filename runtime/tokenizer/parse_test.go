package tokenizer

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// file makes a tokenizer.json with one more section.
func file(section string) string {
	return fmt.Sprintf(`{%s, "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}}`, section)
}

func model(body string) string { return `{"model": {` + body + `}}` }

func TestParseRefuses(t *testing.T) {
	const vocab = `"vocab": {"a": 0, "b": 1, "ab": 2}`
	for name, c := range map[string]struct{ in, want string }{
		"empty":              {``, "unexpected end"},
		"not JSON":           {`{"model": `, "unexpected end"},
		"not an object":      {`[]`, "cannot unmarshal"},
		"no model":           {`{}`, "no model section"},
		"null model":         {`{"model": null}`, "no model section"},
		"version":            {`{"version": "2.0"}`, `version "2.0"`},
		"Unigram":            {`{"model": {"type": "Unigram", "vocab": [["a", -1.5]]}}`, `unsupported model type "Unigram" (supported: BPE)`},
		"WordPiece":          {`{"model": {"type": "WordPiece", "vocab": {"a": 0}}}`, `unsupported model type "WordPiece"`},
		"WordLevel":          {`{"model": {"type": "WordLevel", "vocab": {"a": 0}}}`, `unsupported model type "WordLevel"`},
		"no vocab":           {model(`"type": "BPE", "merges": []`), "no vocab"},
		"negative id":        {model(`"vocab": {"a": -1}`), `"a" has id -1`},
		"huge id":            {model(`"vocab": {"a": 99999999999}`), "cannot unmarshal"},
		"sparse ids":         {model(`"vocab": {"a": 2000000000}`), "too high"},
		"merge not two":      {model(vocab + `, "merges": ["a b c"]`), "not two tokens"},
		"merge not two (v2)": {model(vocab + `, "merges": [["a"]]`), "not two tokens"},
		"merge left":         {model(vocab + `, "merges": ["x b"]`), `"x" is not in the vocabulary`},
		"merge right":        {model(vocab + `, "merges": [["a", "x"]]`), `"x" is not in the vocabulary`},
		"merge result":       {model(vocab + `, "merges": ["b a"]`), `"ba" is not in the vocabulary`},
		"dropout":            {model(vocab + `, "dropout": 0.1`), "dropout 0.1"},
		"prefix":             {model(vocab + `, "continuing_subword_prefix": "##"`), "continuing_subword_prefix"},
		"suffix":             {model(vocab + `, "end_of_word_suffix": "</w>"`), "end_of_word_suffix"},

		"no type":        {file(`"normalizer": {}`), "no type"},
		"normalizer":     {file(`"normalizer": {"type": "BertNormalizer"}`), `unsupported normalizer type "BertNormalizer"`},
		"Precompiled":    {file(`"normalizer": {"type": "Sequence", "normalizers": [{"type": "Precompiled"}]}`), `"Precompiled"`},
		"null in list":   {file(`"normalizer": {"type": "Sequence", "normalizers": [null]}`), "null"},
		"replace":        {file(`"normalizer": {"type": "Replace", "pattern": {}, "content": ""}`), "neither"},
		"bad regex":      {file(`"normalizer": {"type": "Replace", "pattern": {"Regex": "(a"}, "content": ""}`), `regex "(a"`},
		"foreign regex":  {file(`"normalizer": {"type": "Replace", "pattern": {"Regex": "(a)\\1[a&&b]"}, "content": ""}`), "intersection"},
		"pre_tokenizer":  {file(`"pre_tokenizer": {"type": "UnicodeScripts"}`), `unsupported pre_tokenizer type "UnicodeScripts"`},
		"behavior":       {file(`"pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}, "behavior": "Dropped"}`), `"Dropped"`},
		"no behavior":    {file(`"pre_tokenizer": {"type": "Split", "pattern": {"String": "a"}}`), "no behavior"},
		"punctuation":    {file(`"pre_tokenizer": {"type": "Punctuation", "behavior": "x"}`), `"x"`},
		"replacement":    {file(`"pre_tokenizer": {"type": "Metaspace", "replacement": "ab"}`), "not one character"},
		"scheme":         {file(`"pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}`), `"last"`},
		"scheme clash":   {file(`"pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "first", "add_prefix_space": false}`), "add_prefix_space"},
		"decoder":        {file(`"decoder": {"type": "CTC"}`), `unsupported decoder type "CTC"`},
		"decoder list":   {file(`"decoder": {"type": "Sequence", "decoders": [{"type": "WordPiece"}]}`), `"WordPiece"`},
		"strip":          {file(`"decoder": {"type": "Strip", "content": "", "start": 1, "stop": 0}`), "Strip"},
		"post_processor": {file(`"post_processor": {"type": "X"}`), `unsupported post_processor type "X"`},
		"template token": {file(`"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}], "special_tokens": {}}`), `"<s>" is not among`},
		"template pair":  {file(`"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B"}}]}`), "neither Sequence A"},
		"template id":    {file(`"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "s"}}], "special_tokens": {"s": {"ids": [4000000000]}}}`), "too large"},
		"two templates":  {file(`"post_processor": {"type": "Sequence", "processors": [{"type": "BertProcessing", "cls": ["c", 1], "sep": ["s", 2]}, {"type": "BertProcessing", "cls": ["c", 1], "sep": ["s", 2]}]}`), "more than one"},
		"bert":           {file(`"post_processor": {"type": "BertProcessing", "cls": ["c"], "sep": ["s", 2]}`), "not a pair"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.in))
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "tokenizer.json: ")
		})
	}
}

func TestParseRefusesDeepNesting(t *testing.T) {
	deep := `{"type": "NFC"}`
	for range maxDepth {
		deep = `{"type": "Sequence", "normalizers": [` + deep + `]}`
	}
	_, err := Parse([]byte(file(`"normalizer": ` + deep)))
	require.NoError(t, err)
	_, err = Parse([]byte(file(`"normalizer": {"type": "Sequence", "normalizers": [` + deep + `]}`)))
	require.ErrorContains(t, err, "nested")
	_, err = Parse([]byte(file(`"normalizer": ` + strings.Repeat(`{"type":"Sequence","normalizers":[`, 1e5))))
	require.Error(t, err)
}

func TestParseIgnoresTruncationAndPadding(t *testing.T) {
	tok, err := Parse([]byte(file(`"truncation": {"max_length": 1, "stride": 0, "strategy": "LongestFirst", "direction": "Right"},
		"padding": {"strategy": {"Fixed": 8}, "pad_id": 0}`)))
	require.NoError(t, err)
	require.Equal(t, []int32{2, 2, 0}, tok.Encode("ababa", true))
}

func TestBothSpellingsOfMerges(t *testing.T) {
	for _, merges := range []string{`["a b"]`, `[["a", "b"]]`} {
		tok, err := Parse([]byte(model(`"vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ` + merges)))
		require.NoError(t, err)
		require.Equal(t, []int32{2, 1}, tok.Encode("abb", false))
	}
	tok, err := Parse([]byte(model(`"vocab": {"a": 0, "b c": 1, "ab c": 2}, "merges": [["a", "b c"]]`)))
	require.NoError(t, err, "tokens with spaces, in the newer spelling")
	require.Equal(t, 3, tok.VocabSize())
}

// The library's own encode fails on an unknown character when the unk token is
// missing; here the character vanishes, as without an unk token.
func TestMissingUnkToken(t *testing.T) {
	tok, err := Parse([]byte(model(`"vocab": {"a": 0}, "merges": [], "unk_token": "<unk>"`)))
	require.NoError(t, err)
	require.Equal(t, []int32{0, 0}, tok.Encode("axa", false))
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/goldens/*.tokenizer.json")
	require.NoError(f, err)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		require.NoError(f, err)
		// The interesting part is what is around the vocabulary.
		head, _, _ := strings.Cut(string(raw), `"vocab"`)
		f.Add([]byte(head + `"vocab":{"a":0,"b":1,"ab":2,"Ġ":3,"▁":4,"<unk>":5,"<0x41>":6},"merges":[["a","b"]]}}`))
	}
	f.Add([]byte(file(`"normalizer": {"type": "Lowercase"}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		tok, err := Parse(data)
		if err != nil {
			return
		}
		ids := tok.Encode("ab  a <s>\n\u0301x1½漢😀 '", true)
		require.LessOrEqual(t, len(ids), 1<<16)
		tok.Decode(append(ids, 0, 1, 2, 3, 4, 5, 6, -1), true)
	})
}
