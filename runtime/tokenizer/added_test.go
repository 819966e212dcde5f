package tokenizer

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// show writes parts as text, tokens in brackets.
func show(parts []part, names []string) string {
	var out []string
	for _, p := range parts {
		if p.id >= 0 {
			out = append(out, "["+names[p.id]+"]")
		} else {
			out = append(out, p.text)
		}
	}
	return strings.Join(out, "|")
}

func TestMatcher(t *testing.T) {
	list := []addedToken{
		{Content: "<s>"}, {Content: "<s>x"}, {Content: "<l>", LStrip: true}, {Content: "<r>", RStrip: true},
		{Content: "<b>", LStrip: true, RStrip: true}, {Content: "word", SingleWord: true}, {Content: "\n"}, {Content: "é"},
	}
	var m matcher
	var names []string
	for i, tok := range list {
		m.add(tok.Content, int32(i), tok)
		names = append(names, tok.Content)
	}
	for in, want := range map[string]string{
		"":                       "",
		"abc":                    "abc",
		"<s>":                    "[<s>]",
		"<<s>>":                  "<|[<s>]|>",
		"<s>x<s>y":               "[<s>x]|[<s>]|y", // the longest
		"a<s":                    "a<s",
		"a \t<l> b":              "a|[<l>]| b",
		"a <r> \tb":              "a |[<r>]|b",
		"a <b> b <b>  <b>c":      "a|[<b>]|b|[<b>]|[<b>]|c",
		"a <r> <l>b":             "a |[<r>]|[<l>]|b", // the space goes to the first
		"word":                   "[word]",
		"word word, (word)":      "[word]| |[word]|, (|[word]|)",
		"words sword _word é":    "words sword _word |[é]",
		"wordé éword word\u0301": "word|[é]| |[é]|word word\u0301",
		"<r> \n b":               "[<r>]|[\n]| b", // a token inside what the one before it strips
		"<r>\n\n\nb":             "[<r>]|[\n]|[\n]|[\n]|b",
	} {
		require.Equal(t, want, show(m.split(piece{text: in}), names), "%q", in)
	}
}

func TestMatcherKeepsTheHead(t *testing.T) {
	var m matcher
	m.add("<s>", 0, addedToken{})
	parts := m.split(piece{text: "a<s>b", head: true})
	require.True(t, parts[0].head)
	require.False(t, parts[2].head)
	require.False(t, m.split(piece{text: "<s>b", head: true})[1].head)
}

func TestFirstOfEqualForms(t *testing.T) {
	a := newAddedTokens([]addedToken{{Content: "Day", Normalized: true}, {Content: "day", Normalized: true}, {Content: ""}}, nil, lowercase{})
	parts := a.normalized.split(piece{text: "a day"})
	require.Equal(t, int32(0), parts[1].id)
	require.Len(t, a.byID, 2, "an empty token is none")
}

func TestLaterEntryOfTheSameContentWins(t *testing.T) {
	a := newAddedTokens([]addedToken{{Content: "x"}, {Content: "y"}, {Content: "x", Special: true}}, map[string]int32{"y": 7}, nil)
	require.Equal(t, map[string]int32{"x": 1, "y": 7}, a.ids)
	require.True(t, a.byID[1].Special)
}
