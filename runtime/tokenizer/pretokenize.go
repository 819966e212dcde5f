package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A pretokenizer cuts pieces into smaller ones, and may spell them anew. It returns a
// slice that may share memory with in only if the pieces are unchanged.
type pretokenizer interface {
	split(in []piece) []piece
}

// gpt2Regex is what ByteLevel splits by when use_regex is set.
const gpt2Regex = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// parsePretokenizer reads a pre_tokenizer node; nil stands for null.
func parsePretokenizer(raw json.RawMessage, depth int) (pretokenizer, error) {
	kind, err := nodeType(raw, depth)
	if err != nil || kind == "" {
		return nil, err
	}
	var n struct {
		Pretokenizers    []json.RawMessage `json:"pretokenizers"`
		Pattern          json.RawMessage   `json:"pattern"`
		Behavior         *behavior         `json:"behavior"`
		Invert           bool              `json:"invert"`
		AddPrefixSpace   *bool             `json:"add_prefix_space"`
		UseRegex         *bool             `json:"use_regex"`
		Replacement      string            `json:"replacement"`
		PrependScheme    string            `json:"prepend_scheme"`
		Split            *bool             `json:"split"`
		IndividualDigits bool              `json:"individual_digits"`
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	switch kind {
	case "Sequence":
		var seq preSequence
		for _, child := range n.Pretokenizers {
			p, err := parsePretokenizer(child, depth+1)
			if err != nil {
				return nil, err
			}
			if p == nil {
				return nil, errors.New("Sequence: holds null")
			}
			seq = append(seq, p)
		}
		return seq, nil
	case "Split":
		p, err := parsePattern(n.Pattern)
		if err != nil {
			return nil, fmt.Errorf("Split: %w", err)
		}
		if n.Behavior == nil {
			return nil, errors.New("Split: no behavior")
		}
		if err := n.Behavior.check(); err != nil {
			return nil, fmt.Errorf("Split: %w", err)
		}
		return preSplit{p, *n.Behavior, n.Invert}, nil
	case "ByteLevel":
		b := preByteLevel{prefixSpace: n.AddPrefixSpace != nil && *n.AddPrefixSpace, spell: true}
		if n.UseRegex == nil || *n.UseRegex {
			b.words, err = compileRegex(gpt2Regex)
		}
		return b, err
	case "Metaspace":
		m, err := parseMetaspace(n.Replacement, n.PrependScheme, n.AddPrefixSpace)
		if err != nil {
			return nil, err
		}
		m.cut = n.Split == nil || *n.Split
		return m, nil
	case "Digits":
		b := contiguous
		if n.IndividualDigits {
			b = isolated
		}
		return preSplit{runeClass(unicode.IsNumber), b, false}, nil
	case "Punctuation":
		b := isolated
		if n.Behavior != nil {
			b = *n.Behavior
		}
		if err := b.check(); err != nil {
			return nil, fmt.Errorf("Punctuation: %w", err)
		}
		return preSplit{runeClass(isPunctuation), b, false}, nil
	case "WhitespaceSplit":
		return preSplit{runeClass(unicode.IsSpace), removed, false}, nil
	case "Whitespace":
		return preSplit{words{}, removed, true}, nil
	}
	return nil, unknownNode("pre_tokenizer", kind,
		"Sequence, Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit")
}

type preSequence []pretokenizer

func (q preSequence) split(in []piece) []piece {
	for _, p := range q {
		in = p.split(in)
	}
	return in
}

// preSplit is Split and the nodes that are a Split with a fixed pattern.
type preSplit struct {
	pattern  pattern
	behavior behavior
	invert   bool
}

func (n preSplit) split(in []piece) []piece {
	out := make([]piece, 0, len(in)*2)
	for _, p := range in {
		out = cut(out, p, n.behavior.arrange(spans(n.pattern, p.text, n.invert)))
	}
	return out
}

// preByteLevel splits by GPT-2's expression and spells bytes in the byte alphabet.
type preByteLevel struct {
	prefixSpace bool
	words       pattern // nil: no split
	spell       bool    // false if the model is given raw bytes and spells them itself
}

func (n preByteLevel) split(in []piece) []piece {
	out := make([]piece, 0, len(in)*2)
	for _, p := range in {
		if n.prefixSpace && !strings.HasPrefix(p.text, " ") {
			p.text = " " + p.text
		}
		if n.words != nil {
			out = cut(out, p, spans(n.words, p.text, false))
		} else {
			out = append(out, p)
		}
	}
	if n.spell {
		for i := range out {
			out[i].text = toByteLevel(out[i].text)
		}
	}
	return out
}

// metaspace writes spaces as a visible character and may put one before the text.
type metaspace struct {
	mark    string // the visible character
	prepend string // always, first or never
	cut     bool   // also split before every mark
}

// parseMetaspace checks the settings that the pre-tokeniser and the decoder share.
func parseMetaspace(mark, scheme string, prefix *bool) (metaspace, error) {
	if utf8.RuneCountInString(mark) != 1 {
		return metaspace{}, fmt.Errorf("Metaspace: replacement %q is not one character", mark)
	}
	if prefix != nil && !*prefix {
		if scheme != "" && scheme != "never" {
			return metaspace{}, fmt.Errorf("Metaspace: add_prefix_space is false but prepend_scheme is %q", scheme)
		}
		scheme = "never"
	}
	switch scheme {
	case "":
		scheme = "always"
	case "always", "first", "never":
	default:
		return metaspace{}, fmt.Errorf("Metaspace: unknown prepend_scheme %q", scheme)
	}
	return metaspace{mark: mark, prepend: scheme}, nil
}

func (n metaspace) split(in []piece) []piece {
	out := make([]piece, 0, len(in)*2)
	for _, p := range in {
		p.text = strings.ReplaceAll(p.text, " ", n.mark)
		wanted := n.prepend == "always" || n.prepend == "first" && p.head
		if wanted && !strings.HasPrefix(p.text, n.mark) {
			p.text = n.mark + p.text
		}
		if n.cut {
			out = cut(out, p, mergedWithNext.arrange(spans(literal(n.mark), p.text, false)))
		} else {
			out = append(out, p)
		}
	}
	return out
}

// runeClass matches every character of a class by itself.
type runeClass func(r rune) bool

func (c runeClass) each(s string, yield func(start, end int)) {
	for i, r := range s {
		if c(r) {
			yield(i, i+utf8.RuneLen(r))
		}
	}
}

func isPunctuation(r rune) bool {
	if r < 0x80 {
		return r > ' ' && r < 0x7f && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	}
	return unicode.IsPunct(r)
}

// words matches \w+|[^\w\s]+.
type words struct{}

func (words) each(s string, yield func(start, end int)) {
	class := func(r rune) int {
		switch {
		case isWord(r):
			return 1
		case unicode.IsSpace(r):
			return 0
		}
		return 2
	}
	start, kind := 0, 0
	for i, r := range s {
		if k := class(r); k != kind {
			if kind != 0 {
				yield(start, i)
			}
			start, kind = i, k
		}
	}
	if kind != 0 {
		yield(start, len(s))
	}
}
