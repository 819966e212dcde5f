package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// parseModel reads the model section. A missing type is taken for BPE.
func parseModel(raw json.RawMessage) (*bpe, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, errors.New("the file has no model section")
	}
	var kind struct{ Type *string }
	if err := json.Unmarshal(raw, &kind); err != nil {
		return nil, err
	}
	if kind.Type != nil && *kind.Type != "BPE" {
		return nil, unknownNode("model", *kind.Type, "BPE")
	}
	var n struct {
		Vocab        map[string]int32 `json:"vocab"`
		Merges       mergeList        `json:"merges"`
		Unk          *string          `json:"unk_token"`
		FuseUnk      bool             `json:"fuse_unk"`
		ByteFallback bool             `json:"byte_fallback"`
		IgnoreMerges bool             `json:"ignore_merges"`
		Dropout      *float64         `json:"dropout"`
		Prefix       *string          `json:"continuing_subword_prefix"`
		Suffix       *string          `json:"end_of_word_suffix"`
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, err
	}
	switch {
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

// mergeList reads merges in either spelling: "left right" or ["left", "right"].
type mergeList []mergePair

func (l *mergeList) UnmarshalJSON(raw []byte) error {
	var pairs [][]string
	if err := json.Unmarshal(raw, &pairs); err == nil {
		*l = make(mergeList, len(pairs))
		for i, p := range pairs {
			if len(p) != 2 {
				return fmt.Errorf("merge %d has %d parts", i, len(p))
			}
			(*l)[i] = mergePair{p[0], p[1]}
		}
		return nil
	}
	var lines []string
	if err := json.Unmarshal(raw, &lines); err != nil {
		return fmt.Errorf("merges: %w", err)
	}
	*l = make(mergeList, 0, len(lines))
	for _, line := range lines {
		p, err := splitMerge(line)
		if err != nil {
			return err
		}
		*l = append(*l, p)
	}
	return nil
}
