package tokenizer

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/unicode/norm"
)

var forms = map[string]norm.Form{"NFC": norm.NFC, "NFD": norm.NFD, "NFKC": norm.NFKC, "NFKD": norm.NFKD}

// Where x/text follows the standard, the long way gives the same.
func TestNormalizeLongAgreesWithXText(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	alphabet := []rune("aeoqAE\u0300\u0301\u0308\u0323\u0327\u0345\u0338\u1100\u1161\u11a8가각ﬁｱﾞ\u0f71\u0f72\u0f74\u09c7\u09beΩÅ\u212b\u1e9b\u0344\u0958ǅ½ ")
	texts := goldenTexts(t)
	for range 3000 {
		var b strings.Builder
		for range rng.IntN(12) {
			b.WriteRune(alphabet[rng.IntN(len(alphabet))])
		}
		texts = append(texts, b.String())
	}
	for name, f := range forms {
		for _, s := range texts {
			if !hasLongMarks(f, s) {
				require.Equal(t, f.String(s), normalizeLong(f, s), "%s of %q", name, s)
			}
		}
	}
}

func TestLongRunsOfMarksStayWhole(t *testing.T) {
	const n = 40
	marks := "a" + strings.Repeat("\u0301\u0323", n)
	require.Contains(t, norm.NFD.String(marks), "\u034f", "x/text breaks them up; if it no longer does, normalizeLong can go")
	sorted := strings.Repeat("\u0323", n) + strings.Repeat("\u0301", n)
	require.Equal(t, "a"+sorted, normForm(norm.NFD).normalize(piece{text: marks}).text)
	// ạ takes the first dot below; the rest is blocked by its equals.
	require.Equal(t, "\u1ea1"+sorted[len("\u0323"):], normForm(norm.NFC).normalize(piece{text: marks}).text)
}

func TestNormalizers(t *testing.T) {
	for _, c := range []struct{ node, in, want string }{
		{`{"type": "NFC"}`, "e\u0301", "é"},
		{`{"type": "NFD"}`, "é", "e\u0301"},
		{`{"type": "NFKC"}`, "ﬁ①", "fi1"},
		{`{"type": "NFKD"}`, "ﬁé", "fie\u0301"},
		{`{"type": "Lowercase"}`, "ÀΣİẞ", "àσi\u0307ß"},
		{`{"type": "Strip", "strip_left": true, "strip_right": true}`, " \u3000a b\n", "a b"},
		{`{"type": "Strip", "strip_left": true}`, " a ", "a "},
		{`{"type": "StripAccents"}`, "e\u0301a\u20dd", "ea"},
		{`{"type": "Prepend", "prepend": "▁"}`, "a", "▁a"},
		{`{"type": "Prepend", "prepend": "▁"}`, "", ""},
		{`{"type": "Replace", "pattern": {"String": "aa"}, "content": "b"}`, "aaa", "ba"},
		{`{"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": "$1"}`, "a  b c", "a$1b$1c"},
		{`{"type": "Replace", "pattern": {"Regex": "x*"}, "content": "-"}`, "ab", "-a-b-"},
		{`{"type": "ByteLevel"}`, "é ", "Ã©Ġ"},
		{`{"type": "Sequence", "normalizers": [{"type": "Lowercase"}, {"type": "Prepend", "prepend": "A"}]}`, "B", "Ab"},
	} {
		n, err := parseNormalizer([]byte(c.node), 0)
		require.NoError(t, err)
		require.Equal(t, c.want, n.normalize(piece{text: c.in, head: true}).text, "%s of %q", c.node, c.in)
	}
}

// Once the characters that a text began with are gone, it does not begin there.
func TestNormalizersClearTheHead(t *testing.T) {
	for _, c := range []struct {
		node, in string
		want     bool
	}{
		{`{"type": "Strip", "strip_left": true, "strip_right": true}`, "a ", true},
		{`{"type": "Strip", "strip_left": true, "strip_right": true}`, " a", false},
		{`{"type": "StripAccents"}`, "a\u0301", true},
		{`{"type": "StripAccents"}`, "\u0301a", false},
		{`{"type": "Replace", "pattern": {"String": "a"}, "content": "b"}`, "ab", true},
		{`{"type": "Replace", "pattern": {"String": "a"}, "content": ""}`, "ab", false},
		{`{"type": "Replace", "pattern": {"String": "ab"}, "content": "b"}`, "ab", false},
		{`{"type": "Replace", "pattern": {"String": "ab"}, "content": "b"}`, "xab", true},
	} {
		n, err := parseNormalizer([]byte(c.node), 0)
		require.NoError(t, err)
		require.Equal(t, c.want, n.normalize(piece{text: c.in, head: true}).head, "%s of %q", c.node, c.in)
		require.False(t, n.normalize(piece{text: c.in}).head)
	}
}
