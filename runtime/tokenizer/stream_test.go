package tokenizer

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// decodeWhole is what the reference does: every decoder maps the whole list of tokens.
// It shares no code with the stages but the mapping of one string.
func decodeWhole(c chain, tokens []string) string {
	if c == nil {
		return strings.Join(tokens, " ")
	}
	for _, d := range c {
		switch d := d.(type) {
		case fuseDecoder:
			tokens = []string{strings.Join(tokens, "")}
		case byteLevelDecoder:
			var b []byte
			for _, s := range tokens {
				b = fromByteLevel(b, s)
			}
			tokens = []string{strings.ToValidUTF8(string(lossyByRune(b)), "\uFFFD")}
		case byteFallbackDecoder:
			tokens = joinBytes(tokens)
		case replaceDecoder:
			for i, s := range tokens {
				tokens[i] = d.apply(s)
			}
		case stripDecoder:
			for i, s := range tokens {
				tokens[i] = d.apply(s)
			}
		case metaspaceDecoder:
			for i, s := range tokens {
				space := " "
				if i == 0 && d.prepend != "never" {
					space = ""
				}
				tokens[i] = strings.ReplaceAll(s, d.mark, space)
			}
		default:
			panic(fmt.Sprintf("%T", d))
		}
	}
	return strings.Join(tokens, "")
}

// lossyByRune is lossy by trial: a part is what a suffix could still complete.
func lossyByRune(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		if r, n := utf8.DecodeRune(b); r != utf8.RuneError || n > 1 {
			out, b = append(out, b[:n]...), b[n:]
			continue
		}
		n := 1
		for n < len(b) && !utf8.FullRune(b[:n]) && completable(b[:n+1]) {
			n++
		}
		out, b = append(out, "\uFFFD"...), b[n:]
	}
	return out
}

func completable(b []byte) bool {
	for _, tail := range []string{"\x80", "\x80\x80", "\xbf", "\xbf\xbf", "\xa0\x80", "\x90\x80\x80"} {
		if s := string(b) + tail; utf8.ValidString(s) && utf8.RuneCountInString(s) == 1 {
			return true
		}
	}
	return utf8.Valid(b)
}

var byteTokens = regexp.MustCompile(`^<0x([0-9A-Fa-f]{2})>$`)

func joinBytes(tokens []string) []string {
	var out []string
	for i := 0; i < len(tokens); {
		var run []byte
		for ; i < len(tokens); i++ {
			digits := byteTokens.FindStringSubmatch(tokens[i])
			if digits == nil {
				break
			}
			b, _ := hex.DecodeString(digits[1])
			run = append(run, b...)
		}
		switch {
		case len(run) == 0:
			out = append(out, tokens[i])
			i++
		case utf8.Valid(run):
			out = append(out, string(run))
		default:
			for range run {
				out = append(out, "\uFFFD")
			}
		}
	}
	return out
}

// checkStream pushes ids one by one and compares with the whole.
func checkStream(t *testing.T, tok *Tokenizer, ids []int32, skip bool) {
	t.Helper()
	var tokens []string
	s := tok.Stream(skip)
	var got strings.Builder
	for _, id := range ids {
		if tok.known(id) && !(skip && tok.special[id]) {
			tokens = append(tokens, tok.tokens[id])
		}
		text := s.Push(id)
		require.True(t, utf8.ValidString(text), "%q", text)
		got.WriteString(text)
	}
	got.WriteString(s.Flush())
	require.Equal(t, tok.Decode(ids, skip), got.String())
	require.Equal(t, decodeWhole(tok.decode, tokens), got.String(), "tokens %q", tokens)
}

func TestStreamAgreesWithDecode(t *testing.T) {
	files, err := filepath.Glob("testdata/goldens/*.tokenizer.json")
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(7, 8))
	for _, file := range files {
		tok := parseFile(t, file)
		for i, text := range goldenTexts(t) {
			checkStream(t, tok, tok.Encode(text, true), i%2 == 0)
		}
		for i := range 200 {
			ids := make([]int32, rng.IntN(20))
			for j := range ids {
				ids[j] = rng.Int32N(int32(tok.VocabSize())+2) - 1
			}
			checkStream(t, tok, ids, i%2 == 0)
		}
	}
}

// chains are decoders of every kind, also in places where none is found in practice.
var chains = []string{
	`null`,
	`{"type": "Sequence", "decoders": []}`,
	`{"type": "ByteLevel"}`,
	`{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}`,
	`{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never"}`,
	`{"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}`,
	`{"type": "Sequence", "decoders": [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "▁"}, {"type": "Fuse"}, {"type": "Strip", "content": "a", "start": 2, "stop": 2}]}`,
	`{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}, {"type": "Replace", "pattern": {"Regex": "a+"}, "content": "<>"}]}`,
	`{"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Metaspace", "replacement": "a"}, {"type": "ByteLevel"}]}`,
	`{"type": "Sequence", "decoders": [{"type": "ByteLevel"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}, {"type": "Replace", "pattern": {"String": "aa"}, "content": "é"}]}`,
	`{"type": "Sequence", "decoders": [{"type": "Strip", "content": "▁", "start": 1, "stop": 1}, {"type": "ByteLevel"}]}`,
}

// FuzzStream decodes tokens made of the input: a byte chooses the decoder, and the
// rest is cut at spaces. Bytes beyond ASCII also come as byte tokens.
func FuzzStream(f *testing.F) {
	for i := range chains {
		for _, s := range []string{"", "a", "▁a ▁▁ b", "<0xE4> <0xBD> <0xA0> x <0xE4> <0x41>", "ä ½ ł Ġ x ä ½", "a aa aaa ▁ ▁a", "漢 \xe6\xbc é", "<s> a <s>", "<0xBD> <0x4>> <0xE41"} {
			f.Add(byte(i), s)
		}
	}
	var decoders []chain
	for _, node := range chains {
		c, err := parseDecoder([]byte(node), 0)
		require.NoError(f, err)
		decoders = append(decoders, c)
	}
	f.Fuzz(func(t *testing.T, which byte, in string) {
		var tokens []string
		for _, s := range strings.Split(in, " ") {
			if !utf8.ValidString(s) {
				for _, b := range []byte(s) {
					tokens = append(tokens, fmt.Sprintf("<0x%02X>", b), string(alphabet().char[b]))
				}
				continue
			}
			tokens = append(tokens, s)
		}
		// A tokenizer whose ids are the places in tokens.
		tok := &Tokenizer{decode: decoders[int(which)%len(decoders)], tokens: tokens}
		ids := make([]int32, len(tokens))
		for i, s := range tokens {
			ids[i] = int32(i)
			tok.hasID = append(tok.hasID, true)
			tok.special = append(tok.special, s == "<s>")
		}
		checkStream(t, tok, ids, which%2 == 0)
	})
}

// What is certain comes at once.
func TestStreamIsPrompt(t *testing.T) {
	push := func(node string, tokens ...string) []string {
		c, err := parseDecoder([]byte(node), 0)
		require.NoError(t, err)
		tok := &Tokenizer{decode: c, tokens: tokens, hasID: make([]bool, len(tokens)), special: make([]bool, len(tokens))}
		s := tok.Stream(false)
		var out []string
		for i := range tokens {
			tok.hasID[i] = true
			out = append(out, s.Push(int32(i)))
		}
		return append(out, s.Flush())
	}
	require.Equal(t, []string{"a", "", "", "漢", " x", ""}, push(chains[2], "a", "æ", "¼", "¢", "Ġx"))
	require.Equal(t, []string{"", "\uFFFDa", "", "\uFFFD"}, push(chains[2], "æ", "a", "æ¼"), "an unfinished character is one U+FFFD")
	require.Equal(t, []string{"Hi", " you", "", "", "", "漢!", ""}, push(chains[5], "▁Hi", "▁you", "<0xE6>", "<0xBC>", "<0xA2>", "!"))
	require.Equal(t, []string{"", "", "\uFFFD\uFFFD.", "", "\uFFFD"}, push(chains[5], "<0xE6>", "<0xBC>", ".", "<0xFF>"))
	require.Equal(t, []string{"a", " b", ""}, push(chains[3], "▁a", "▁b"))
	require.Equal(t, []string{"a", " b", ""}, push(chains[0], "a", "b"))
}
