package tokenizer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// pieces runs pre-tokenisers on a text.
func pieces(t *testing.T, node, text string) []string {
	t.Helper()
	list, err := parsePretokenizer([]byte(node), 0)
	require.NoError(t, err)
	var out []string
	tok := Tokenizer{pre: list}
	tok.pipeline(func(p piece) { out = append(out, p.text) })(piece{text: text, head: true})
	return out
}

// The first five rows are the example in the reference's documentation.
func TestSplitBehaviors(t *testing.T) {
	const text = "The-final--countdown"
	split := func(behavior, invert string) string {
		return `{"type": "Split", "pattern": {"String": "-"}, "behavior": "` + behavior + `", "invert": ` + invert + `}`
	}
	for _, c := range []struct {
		behavior, invert string
		want             []string
	}{
		{"Removed", "false", []string{"The", "final", "countdown"}},
		{"Isolated", "false", []string{"The", "-", "final", "-", "-", "countdown"}},
		{"MergedWithPrevious", "false", []string{"The-", "final-", "-", "countdown"}},
		{"MergedWithNext", "false", []string{"The", "-final", "-", "-countdown"}},
		{"Contiguous", "false", []string{"The", "-", "final", "--", "countdown"}},
		{"Removed", "true", []string{"-", "-", "-"}},
		{"Isolated", "true", []string{"The", "-", "final", "-", "-", "countdown"}},
		{"MergedWithPrevious", "true", []string{"The", "-final", "-", "-countdown"}},
	} {
		require.Equal(t, c.want, pieces(t, split(c.behavior, c.invert), text), c)
	}
}

func TestPretokenizers(t *testing.T) {
	for _, c := range []struct {
		node, in string
		want     []string
	}{
		{`{"type": "Digits", "individual_digits": true}`, "a12½b", []string{"a", "1", "2", "½", "b"}},
		{`{"type": "Digits", "individual_digits": false}`, "a12½b", []string{"a", "12½", "b"}},
		{`{"type": "Punctuation"}`, "a.,b«c$", []string{"a", ".", ",", "b", "«", "c", "$"}},
		{`{"type": "Punctuation", "behavior": "Removed"}`, "a.,b", []string{"a", "b"}},
		{`{"type": "WhitespaceSplit"}`, " a\u00a0b \u3000 c-d", []string{"a", "b", "c-d"}},
		{`{"type": "Whitespace"}`, "how are_you? ok--1\u0301", []string{"how", "are_you", "?", "ok", "--", "1\u0301"}},
		{`{"type": "Metaspace", "replacement": "▁"}`, "a b  c", []string{"▁a", "▁b", "▁", "▁c"}},
		{`{"type": "Metaspace", "replacement": "▁"}`, " a", []string{"▁a"}},
		{`{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "never", "split": false}`, "a b", []string{"a▁b"}},
		{`{"type": "Metaspace", "replacement": "▁", "add_prefix_space": false}`, "a b", []string{"a", "▁b"}},
		{`{"type": "ByteLevel", "add_prefix_space": true}`, "it's é", []string{"Ġit", "'s", "ĠÃ©"}},
		{`{"type": "ByteLevel", "add_prefix_space": true, "use_regex": false}`, " a b", []string{"ĠaĠb"}},
		{`{"type": "Sequence", "pretokenizers": []}`, "a b", []string{"a b"}},
		{`null`, "a b", []string{"a b"}},
	} {
		require.Equal(t, c.want, pieces(t, c.node, c.in), "%s on %q", c.node, c.in)
	}
}

// Only the piece that begins where the text begins is given a mark.
func TestMetaspaceFirst(t *testing.T) {
	first := `{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first"}`
	require.Equal(t, []string{"▁a", "▁b"}, pieces(t, first, "a b"))
	list := `{"type": "Sequence", "pretokenizers": [{"type": "Digits"}, ` + first + `]}`
	require.Equal(t, []string{"▁a", "1", "b"}, pieces(t, list, "a1b"))
}
