package tokenizer

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addedToken is one entry of added_tokens. The id of the file is not among its
// fields: the reference gives an added token the id of the vocabulary entry of the
// same content or else the next free one, and so do we.
type addedToken struct {
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LStrip     bool   `json:"lstrip"`
	RStrip     bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

// addedTokens holds the tokens that are cut out of the text before the model sees it.
type addedTokens struct {
	ids     map[string]int32
	byID    map[int32]addedToken
	special map[string]bool // contents of special tokens
	forms   map[int32]string

	verbatim   matcher // those looked for in the raw text
	normalized matcher // those looked for in the normalised text
}

// newAddedTokens gives ids to list and builds the matchers.
func newAddedTokens(list []addedToken, vocab map[string]int32, norm normalizer) *addedTokens {
	a := &addedTokens{
		ids:     map[string]int32{},
		byID:    map[int32]addedToken{},
		special: map[string]bool{},
		forms:   map[int32]string{},
	}
	next := int32(len(vocab))
	for _, tok := range list {
		if tok.Content == "" {
			continue
		}
		id, ok := a.ids[tok.Content]
		if !ok {
			id, ok = vocab[tok.Content]
		}
		if !ok {
			id = next
			next++
		}
		delete(a.forms, id)
		if tok.Normalized && norm != nil {
			a.forms[id] = norm.normalize(piece{text: tok.Content, head: true}).text
		}
		a.ids[tok.Content] = id
		a.byID[id] = tok
		if tok.Special {
			a.special[tok.Content] = true
		}
	}
	ids := make([]int32, 0, len(a.byID))
	for id := range a.byID {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, cmp.Compare)
	for _, id := range ids {
		tok := a.byID[id]
		if tok.Normalized {
			a.normalized.add(a.form(id), id, tok)
		} else {
			a.verbatim.add(tok.Content, id, tok)
		}
	}
	return a
}

// form is what the decoder is given for an added token: its normalised content.
func (a *addedTokens) form(id int32) string {
	if f, ok := a.forms[id]; ok {
		return f
	}
	return a.byID[id].Content
}

// part is a piece of text, or an added token if id is not negative.
type part struct {
	piece
	id int32
}

// matcher finds added tokens: at every position the longest one, left to right. The
// zero matcher finds nothing.
type matcher struct {
	root  [256]int32 // node after the first byte; 0 for none
	nodes []trieNode // nodes[0] is unused
	used  bool
}

type trieNode struct {
	next map[byte]int32
	id   int32 // -1: no token ends here
	tok  addedToken
}

// add makes text stand for a token. The first of two equal texts stays.
func (m *matcher) add(text string, id int32, tok addedToken) {
	if text == "" {
		return
	}
	if !m.used {
		m.used = true
		m.nodes = append(m.nodes, trieNode{id: -1})
	}
	at := m.root[text[0]]
	if at == 0 {
		at = m.grow()
		m.root[text[0]] = at
	}
	for i := 1; i < len(text); i++ {
		next, ok := m.nodes[at].next[text[i]]
		if !ok {
			next = m.grow()
			if m.nodes[at].next == nil {
				m.nodes[at].next = map[byte]int32{}
			}
			m.nodes[at].next[text[i]] = next
		}
		at = next
	}
	if m.nodes[at].id < 0 {
		m.nodes[at].id, m.nodes[at].tok = id, tok
	}
}

func (m *matcher) grow() int32 {
	m.nodes = append(m.nodes, trieNode{id: -1})
	return int32(len(m.nodes) - 1)
}

// longest returns the node of the longest token that s starts with, and its length.
func (m *matcher) longest(s string) (node int32, length int) {
	at := m.root[s[0]]
	for i := 1; at != 0; i++ {
		if m.nodes[at].id >= 0 {
			node, length = at, i
		}
		if i == len(s) {
			break
		}
		at = m.nodes[at].next[s[i]]
	}
	return node, length
}

// split returns the parts of p, without empty text. What a token strips is part of
// the token. A stripping token can reach into the match after it; the reference lets
// the two overlap, and so does this.
func (m *matcher) split(p piece) []part {
	var out []part
	s, start := p.text, 0
	text := func(from, to int) {
		if from < to {
			out = append(out, part{piece: piece{text: s[from:to], head: p.head && from == 0}, id: -1})
		}
	}
	if !m.used {
		text(0, len(s))
		return out
	}
	for i := 0; i < len(s); {
		if m.root[s[i]] == 0 {
			i++
			continue
		}
		node, n := m.longest(s[i:])
		if n == 0 {
			i++
			continue
		}
		from, to := i, i+n
		i = to
		tok := &m.nodes[node].tok
		if tok.SingleWord && (endsWithWord(s[:from]) || startsWithWord(s[to:])) {
			continue
		}
		if tok.LStrip {
			if start < from {
				from = start + len(strings.TrimRightFunc(s[start:from], unicode.IsSpace))
			} else {
				from = start
			}
		}
		if tok.RStrip && to > start { // up to start it is known to be space
			to = len(s) - len(strings.TrimLeftFunc(s[to:], unicode.IsSpace))
		} else if tok.RStrip {
			to = start
		}
		text(start, from)
		out = append(out, part{id: m.nodes[node].id})
		start = to
	}
	text(start, len(s))
	return out
}

func endsWithWord(s string) bool {
	r, n := utf8.DecodeLastRuneInString(s)
	return n > 0 && isWord(r)
}

func startsWithWord(s string) bool {
	r, n := utf8.DecodeRuneInString(s)
	return n > 0 && isWord(r)
}

// isWord is \w of UTS #18: alphabetic, mark, decimal digit, connector, joiner.
func isWord(r rune) bool {
	return unicode.In(r, unicode.L, unicode.M, unicode.Nd, unicode.Nl, unicode.Pc, unicode.Other_Alphabetic) ||
		r == '\u200c' || r == '\u200d'
}
