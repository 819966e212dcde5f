package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A stage is one decoder node at work on one sequence of tokens. It is given the
// sequence as chunks and passes chunks on as soon as they are certain.
//
// Chunks are whole tokens until a stage fuses them; from there on all chunks are parts
// of one token. Whether its input is fused is told to a stage when it is made.
type stage interface {
	push(chunk string, emit func(string))
	// flush passes on what is held back; no push follows.
	flush(emit func(string))
}

// A decoder is a decoder node: it makes stages.
type decoder interface {
	stage(fused bool) stage
	fuses() bool // its output is one token
}

// chain is the decoder section, Sequences taken apart. An empty non-nil chain joins
// the tokens; nil, no decoder, joins them with spaces as the reference does.
type chain []decoder

// stages makes the stages for one sequence of tokens.
func (c chain) stages() []stage {
	if c == nil {
		return []stage{&spaced{}}
	}
	out, fused := make([]stage, len(c)), false
	for i, d := range c {
		out[i] = d.stage(fused)
		fused = fused || d.fuses()
	}
	return out
}

// parseDecoder reads a decoder node.
func parseDecoder(raw json.RawMessage, depth int) (chain, error) {
	kind, err := nodeType(raw, depth)
	if err != nil || kind == "" {
		return nil, err
	}
	var n struct {
		Decoders       []json.RawMessage `json:"decoders"`
		Pattern        json.RawMessage   `json:"pattern"`
		Content        string            `json:"content"`
		Start          int               `json:"start"`
		Stop           int               `json:"stop"`
		Replacement    string            `json:"replacement"`
		PrependScheme  string            `json:"prepend_scheme"`
		AddPrefixSpace *bool             `json:"add_prefix_space"`
	}
	if err := json.Unmarshal(raw, &n); err != nil {
		return nil, fmt.Errorf("in %s: %w", kind, err)
	}
	switch kind {
	case "Sequence":
		out := chain{}
		for _, child := range n.Decoders {
			c, err := parseDecoder(child, depth+1)
			if err != nil {
				return nil, err
			}
			if c == nil {
				return nil, errors.New("in Sequence: a node is null")
			}
			out = append(out, c...)
		}
		return out, nil
	case "ByteLevel":
		return chain{byteLevelDecoder{}}, nil
	case "ByteFallback":
		return chain{byteFallbackDecoder{}}, nil
	case "Fuse":
		return chain{fuseDecoder{}}, nil
	case "Replace":
		p, err := parsePattern(n.Pattern)
		if err != nil {
			return nil, fmt.Errorf("in Replace: %w", err)
		}
		return chain{replaceDecoder{replace{p, n.Content}}}, nil
	case "Strip":
		if utf8.RuneCountInString(n.Content) != 1 || n.Start < 0 || n.Stop < 0 {
			return nil, fmt.Errorf("in Strip: content %q, start %d, stop %d", n.Content, n.Start, n.Stop)
		}
		return chain{stripDecoder{n.Content, n.Start, n.Stop}}, nil
	case "Metaspace":
		m, err := parseMetaspace(n.Replacement, n.PrependScheme, n.AddPrefixSpace)
		if err != nil {
			return nil, err
		}
		return chain{metaspaceDecoder{m}}, nil
	}
	return nil, unknownNode("decoder", kind,
		"Sequence, ByteLevel, Metaspace, Replace, ByteFallback, Fuse, Strip")
}
