package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A normalizer rewrites a stretch of text. It clears head when it removes the
// characters that the text began with.
type normalizer interface {
	normalize(p piece) piece
}

// parseNormalizer reads a normalizer node; nil stands for null.
func parseNormalizer(raw json.RawMessage, depth int) (normalizer, error) {
	kind, err := nodeType(raw, depth)
	if err != nil || kind == "" {
		return nil, err
	}
	var n struct {
		Normalizers []json.RawMessage `json:"normalizers"`
		Prepend     string            `json:"prepend"`
		Pattern     json.RawMessage   `json:"pattern"`
		Content     string            `json:"content"`
		StripLeft   bool              `json:"strip_left"`
		StripRight  bool              `json:"strip_right"`
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("in %s: %w", kind, err)
	}
	switch kind {
	case "Sequence":
		var seq normSequence
		for _, child := range n.Normalizers {
			c, err := parseNormalizer(child, depth+1)
			if err != nil {
				return nil, err
			}
			if c == nil {
				return nil, errors.New("in Sequence: a node is null")
			}
			seq = append(seq, c)
		}
		return seq, nil
	case "NFC":
		return normForm(norm.NFC), nil
	case "NFD":
		return normForm(norm.NFD), nil
	case "NFKC":
		return normForm(norm.NFKC), nil
	case "NFKD":
		return normForm(norm.NFKD), nil
	case "Lowercase":
		return lowercase{}, nil
	case "Strip":
		return strip{n.StripLeft, n.StripRight}, nil
	case "StripAccents":
		return stripAccents{}, nil
	case "Prepend":
		return prepend(n.Prepend), nil
	case "Replace":
		p, err := parsePattern(n.Pattern)
		if err != nil {
			return nil, fmt.Errorf("in Replace: %w", err)
		}
		return replace{p, n.Content}, nil
	case "ByteLevel":
		return normByteLevel{}, nil
	}
	return nil, unknownNode("normalizer", kind,
		"Sequence, NFC, NFD, NFKC, NFKD, Lowercase, Strip, StripAccents, Prepend, Replace, ByteLevel")
}

type normSequence []normalizer

func (q normSequence) normalize(p piece) piece {
	for _, n := range q {
		p = n.normalize(p)
	}
	return p
}

// lowercase maps every character by itself, without regard to its neighbours.
type lowercase struct{}

func (lowercase) normalize(p piece) piece {
	p.text = strings.ToLower(strings.ReplaceAll(p.text, "\u0130", "i\u0307"))
	return p
}

type strip struct{ left, right bool }

func (n strip) normalize(p piece) piece {
	if n.left {
		s := strings.TrimLeftFunc(p.text, unicode.IsSpace)
		p.head = p.head && len(s) == len(p.text)
		p.text = s
	}
	if n.right {
		p.text = strings.TrimRightFunc(p.text, unicode.IsSpace)
	}
	return p
}

// stripAccents removes every combining mark.
type stripAccents struct{}

func (stripAccents) normalize(p piece) piece {
	r, _ := utf8.DecodeRuneInString(p.text)
	p.head = p.head && !unicode.Is(unicode.M, r)
	p.text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.M, r) {
			return -1
		}
		return r
	}, p.text)
	return p
}

// prepend puts a text before every text that is not empty.
type prepend string

func (n prepend) normalize(p piece) piece {
	if p.text != "" {
		p.text = string(n) + p.text
	}
	return p
}

// replace puts content in the place of every match. Content is taken as it is.
type replace struct {
	pattern pattern
	content string
}

func (n replace) normalize(p piece) piece {
	s := p.text
	p.text = n.apply(s)
	if p.head {
		// The reference places the new text where the last replaced byte was.
		n.pattern.each(s, func(start, end int) {
			if start == 0 && (end > 1 || end == 1 && n.content == "") {
				p.head = false
			}
		})
	}
	return p
}

func (n replace) apply(s string) string {
	if l, ok := n.pattern.(literal); ok {
		return strings.ReplaceAll(s, string(l), n.content)
	}
	var b strings.Builder
	last := 0
	n.pattern.each(s, func(start, end int) {
		b.WriteString(s[last:start])
		b.WriteString(n.content)
		last = end
	})
	if last == 0 && b.Len() == 0 {
		return s
	}
	b.WriteString(s[last:])
	return b.String()
}

// normByteLevel spells the text in the byte alphabet.
type normByteLevel struct{}

func (normByteLevel) normalize(p piece) piece {
	p.text = toByteLevel(p.text)
	return p
}
