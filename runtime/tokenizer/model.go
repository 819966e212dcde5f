package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// modelNode is the model section.
type modelNode struct {
	Type         *string          `json:"type"`
	Vocab        map[string]int32 `json:"vocab"`
	Merges       []mergePair      `json:"merges"`
	Unk          *string          `json:"unk_token"`
	FuseUnk      bool             `json:"fuse_unk"`
	ByteFallback bool             `json:"byte_fallback"`
	IgnoreMerges bool             `json:"ignore_merges"`
	Dropout      *float64         `json:"dropout"`
	Prefix       *string          `json:"continuing_subword_prefix"`
	Suffix       *string          `json:"end_of_word_suffix"`
}

// model makes the model that n describes. A missing type is taken for BPE.
func (n *modelNode) model() (*bpe, error) {
	switch {
	case n == nil:
		return nil, errors.New("the file has no model section")
	case n.Type != nil && *n.Type != "BPE":
		return nil, unknownNode("model", *n.Type, "BPE")
	case n.Vocab == nil:
		return nil, errors.New("BPE has no vocab")
	case n.Dropout != nil && *n.Dropout != 0:
		return nil, fmt.Errorf("BPE with dropout %v is random; set it to null", *n.Dropout)
	case n.Prefix != nil && *n.Prefix != "":
		return nil, fmt.Errorf("BPE with continuing_subword_prefix %q is not supported", *n.Prefix)
	case n.Suffix != nil && *n.Suffix != "":
		return nil, fmt.Errorf("BPE with end_of_word_suffix %q is not supported", *n.Suffix)
	}
	for s, id := range n.Vocab {
		if id < 0 {
			return nil, fmt.Errorf("vocab: token %q has id %d", s, id)
		}
	}
	m, err := newBPE(n.Vocab, n.Merges)
	if err != nil {
		return nil, err
	}
	m.fallback, m.fuse, m.ignoreMerges = n.ByteFallback, n.FuseUnk, n.IgnoreMerges
	if n.Unk != nil {
		if id, ok := n.Vocab[*n.Unk]; ok {
			m.unk = id
		}
	}
	return m, nil
}

// otherModel returns the error for a file whose model has a type that modelNode does
// not fit, or nil.
func otherModel(data []byte) error {
	var f struct{ Model struct{ Type *string } }
	if json.Unmarshal(data, &f) == nil && f.Model.Type != nil && *f.Model.Type != "BPE" {
		return unknownNode("model", *f.Model.Type, "BPE")
	}
	return nil
}

// mergePair is one entry of merges: ["left", "right"], or "left right" in older files.
type mergePair struct{ left, right string }

// UnmarshalJSON reads either spelling.
func (p *mergePair) UnmarshalJSON(raw []byte) error {
	if strings.HasPrefix(string(raw), "[") {
		var pair []string
		if err := json.Unmarshal(raw, &pair); err != nil {
			return err
		}
		if len(pair) != 2 {
			return fmt.Errorf("merge %s is not two tokens", raw)
		}
		p.left, p.right = pair[0], pair[1]
		return nil
	}
	var line string
	if err := json.Unmarshal(raw, &line); err != nil {
		return err
	}
	var ok bool
	p.left, p.right, ok = strings.Cut(line, " ")
	if !ok || strings.Contains(p.right, " ") {
		return fmt.Errorf("merge %s is not two tokens", raw)
	}
	return nil
}
