package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// template is what a post-processor puts around the ids of a text. The zero template
// puts nothing. A negative id stands for the text.
type template []int32

// apply appends the template to ids, calling text where the text belongs.
func (t template) apply(ids []int32, text func([]int32) []int32) []int32 {
	if t == nil {
		return text(ids)
	}
	for _, id := range t {
		if id < 0 {
			ids = text(ids)
		} else {
			ids = append(ids, id)
		}
	}
	return ids
}

// parsePostprocessor reads a post_processor node; nil stands for one without effect
// on the ids.
func parsePostprocessor(raw json.RawMessage, depth int) (template, error) {
	kind, err := nodeType(raw, depth)
	if err != nil || kind == "" {
		return nil, err
	}
	switch kind {
	case "ByteLevel": // trims offsets only
		return nil, nil
	case "Sequence":
		return parsePostSequence(raw, depth)
	case "TemplateProcessing":
		return parseTemplate(raw)
	case "BertProcessing", "RobertaProcessing":
		var n struct{ Cls, Sep idPair }
		if err := json.Unmarshal(raw, &n); err != nil {
			return nil, fmt.Errorf("in %s: %w", kind, err)
		}
		return template{int32(n.Cls), -1, int32(n.Sep)}, nil
	}
	return nil, unknownNode("post_processor", kind,
		"Sequence, TemplateProcessing, ByteLevel, BertProcessing, RobertaProcessing")
}

func parsePostSequence(raw json.RawMessage, depth int) (template, error) {
	var n struct{ Processors []json.RawMessage }
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("in Sequence: %w", err)
	}
	var found template
	for _, child := range n.Processors {
		t, err := parsePostprocessor(child, depth+1)
		if err != nil {
			return nil, err
		}
		if t != nil && found != nil {
			return nil, errors.New("in Sequence: more than one post-processor adds tokens")
		}
		if t != nil {
			found = t
		}
	}
	return found, nil
}

func parseTemplate(raw json.RawMessage) (template, error) {
	var n struct {
		Single []struct {
			Sequence     *struct{ ID string }
			SpecialToken *struct{ ID string }
		} `json:"single"`
		SpecialTokens map[string]struct{ IDs []uint32 } `json:"special_tokens"`
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("in TemplateProcessing: %w", err)
	}
	out := template{}
	for _, p := range n.Single {
		switch {
		case p.Sequence != nil && p.Sequence.ID == "A":
			out = append(out, -1)
		case p.SpecialToken != nil:
			tok, ok := n.SpecialTokens[p.SpecialToken.ID]
			if !ok {
				return nil, fmt.Errorf("in TemplateProcessing: %q is not among special_tokens", p.SpecialToken.ID)
			}
			for _, id := range tok.IDs {
				if id > maxID {
					return nil, fmt.Errorf("in TemplateProcessing: id %d of %q is too large", id, p.SpecialToken.ID)
				}
				out = append(out, int32(id))
			}
		default:
			return nil, errors.New("in TemplateProcessing: a piece of single is neither Sequence A nor a SpecialToken")
		}
	}
	return out, nil
}

// idPair is ["[CLS]", 101], of which the id matters.
type idPair int32

func (p *idPair) UnmarshalJSON(raw []byte) error {
	var pair [2]any
	if err := json.Unmarshal(raw, &pair); err != nil {
		return err
	}
	id, ok := pair[1].(float64)
	if !ok || id < 0 || id > maxID {
		return fmt.Errorf("%s is not a pair of token and id", raw)
	}
	*p = idPair(id)
	return nil
}
