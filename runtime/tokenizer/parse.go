package tokenizer

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
)

const (
	maxID    = 1<<31 - 1
	maxDepth = 16 // of nodes within nodes

	// sparseIDs is how far the highest id may lie above the number of tokens.
	sparseIDs = 1 << 20
)

// Parse reads a tokenizer.json. The result shares no memory with data. What this
// package cannot do as the reference does is an error that names it.
func Parse(data []byte) (*Tokenizer, error) {
	t, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("tokenizer.json: %w", err)
	}
	return t, nil
}

func parse(data []byte) (*Tokenizer, error) {
	var f struct {
		Version       *string         `json:"version"`
		AddedTokens   []addedToken    `json:"added_tokens"`
		Normalizer    json.RawMessage `json:"normalizer"`
		PreTokenizer  json.RawMessage `json:"pre_tokenizer"`
		PostProcessor json.RawMessage `json:"post_processor"`
		Decoder       json.RawMessage `json:"decoder"`
		Model         *modelNode      `json:"model"`
	}
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, cmp.Or(otherModel(data), err)
	}
	if f.Version != nil && *f.Version != "1.0" {
		return nil, fmt.Errorf("version %q is not 1.0", *f.Version)
	}
	t := &Tokenizer{}
	var err error
	if t.model, err = f.Model.model(); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if t.norm, err = parseNormalizer(f.Normalizer, 0); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	if t.pre, err = parsePretokenizer(f.PreTokenizer, 0); err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	t.model.raw = spellLate(t.pre)
	if t.post, err = parsePostprocessor(f.PostProcessor, 0); err != nil {
		return nil, fmt.Errorf("post_processor: %w", err)
	}
	if t.decode, err = parseDecoder(f.Decoder, 0); err != nil {
		return nil, fmt.Errorf("decoder: %w", err)
	}
	t.added = newAddedTokens(f.AddedTokens, t.model.vocab, t.norm)
	if err := t.index(); err != nil {
		return nil, err
	}
	return t, nil
}

// spellLate lets the model, rather than a ByteLevel that comes last, spell words in the
// byte alphabet: a cached word need not be spelt. It tells whether it did.
func spellLate(list []pretokenizer) bool {
	if len(list) == 0 {
		return false
	}
	last, ok := list[len(list)-1].(preByteLevel)
	if ok {
		last.spell = false
		list[len(list)-1] = last
	}
	return ok
}

// index fills the tables by id.
func (t *Tokenizer) index() error {
	top := int32(-1)
	for _, id := range t.model.vocab {
		top = max(top, id)
	}
	for id := range t.added.byID {
		top = max(top, id)
	}
	if int(top) > len(t.model.vocab)+len(t.added.byID)+sparseIDs {
		return fmt.Errorf("id %d is too high for %d tokens", top, len(t.model.vocab)+len(t.added.byID))
	}
	n := int(top) + 1
	t.tokens, t.hasID, t.special = make([]string, n), make([]bool, n), make([]bool, n)
	for s, id := range t.model.vocab {
		t.tokens[id], t.hasID[id] = s, true
	}
	for id := range t.added.byID {
		t.tokens[id], t.hasID[id] = t.added.form(id), true
	}
	for id, s := range t.tokens {
		t.special[id] = t.hasID[id] && t.added.special[s]
	}
	return nil
}

// nodeType returns the type of a node, or "" for null or a missing one.
func nodeType(raw json.RawMessage, depth int) (string, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	if depth > maxDepth {
		return "", fmt.Errorf("nodes are nested more than %d deep", maxDepth)
	}
	var n struct{ Type string }
	if err := json.Unmarshal(raw, &n); err != nil {
		return "", err
	}
	if n.Type == "" {
		return "", errors.New("a node has no type")
	}
	return n.Type, nil
}

// unknownNode is the error for a node type that this package does not have.
func unknownNode(section, kind, supported string) error {
	return fmt.Errorf("unsupported %s type %q (supported: %s)", section, kind, supported)
}
