package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// A pretokenizer cuts a piece into smaller ones, and may spell them anew.
type pretokenizer interface {
	// split calls emit with every part, none of them empty, in order.
	split(p piece, emit func(piece))
}

// gpt2Regex is what ByteLevel splits by when use_regex is set.
const gpt2Regex = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// parsePretokenizer reads a pre_tokenizer node, Sequences taken apart.
func parsePretokenizer(raw json.RawMessage, depth int) ([]pretokenizer, error) {
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
		return nil, fmt.Errorf("in %s: %w", kind, err)
	}
	switch kind {
	case "Sequence":
		var out []pretokenizer
		for _, child := range n.Pretokenizers {
			p, err := parsePretokenizer(child, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, p...)
		}
		return out, nil
	case "Split":
		p, err := parsePattern(n.Pattern)
		if err != nil {
			return nil, fmt.Errorf("in Split: %w", err)
		}
		if n.Behavior == nil {
			return nil, errors.New("in Split: no behavior")
		}
		if err := n.Behavior.check(); err != nil {
			return nil, fmt.Errorf("in Split: %w", err)
		}
		return []pretokenizer{preSplit{p, *n.Behavior, n.Invert}}, nil
	case "ByteLevel":
		b := preByteLevel{prefixSpace: n.AddPrefixSpace != nil && *n.AddPrefixSpace, spell: true}
		if n.UseRegex == nil || *n.UseRegex {
			b.words, err = compileRegex(gpt2Regex)
		}
		return []pretokenizer{b}, err
	case "Metaspace":
		m, err := parseMetaspace(n.Replacement, n.PrependScheme, n.AddPrefixSpace)
		if err != nil {
			return nil, err
		}
		m.cut = n.Split == nil || *n.Split
		return []pretokenizer{m}, nil
	case "Digits":
		b := contiguous
		if n.IndividualDigits {
			b = isolated
		}
		return []pretokenizer{preSplit{runeClass(unicode.IsNumber), b, false}}, nil
	case "Punctuation":
		b := isolated
		if n.Behavior != nil {
			b = *n.Behavior
		}
		if err := b.check(); err != nil {
			return nil, fmt.Errorf("in Punctuation: %w", err)
		}
		return []pretokenizer{preSplit{runeClass(isPunctuation), b, false}}, nil
	case "WhitespaceSplit":
		return []pretokenizer{preSplit{runeClass(unicode.IsSpace), removed, false}}, nil
	case "Whitespace":
		return []pretokenizer{preSplit{words{}, removed, true}}, nil
	}
	return nil, unknownNode("pre_tokenizer", kind,
		"Sequence, Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit")
}

// preSplit is Split and the nodes that are a Split with a fixed pattern.
type preSplit struct {
	pattern  pattern
	behavior behavior
	invert   bool
}

func (n preSplit) split(p piece, emit func(piece)) {
	if n.behavior == isolated {
		isolate(n.pattern, p, emit)
		return
	}
	for _, s := range n.behavior.arrange(spans(n.pattern, p.text, n.invert)) {
		p.cut(s.start, s.end, emit)
	}
}

// preByteLevel splits by GPT-2's expression and spells bytes in the byte alphabet.
type preByteLevel struct {
	prefixSpace bool
	words       pattern // nil: no split
	spell       bool    // false if the model is given raw bytes and spells them itself
}

func (n preByteLevel) split(p piece, emit func(piece)) {
	if n.prefixSpace && !strings.HasPrefix(p.text, " ") {
		p.text = " " + p.text
	}
	spelt := emit
	if n.spell {
		spelt = func(p piece) {
			p.text = toByteLevel(p.text)
			emit(p)
		}
	}
	if n.words != nil {
		isolate(n.words, p, spelt)
	} else {
		spelt(p)
	}
}
