package tokenizer

import (
	"slices"
	"unicode/utf8"
)

// A Tokenizer is one parsed tokenizer.json. It is immutable but for a word cache
// that is safe for concurrent use, so any number of goroutines may share it.
type Tokenizer struct {
	added  *addedTokens
	norm   normalizer // nil for none
	pre    []pretokenizer
	model  *bpe
	post   template
	decode chain

	tokens  []string // by id: what the decoder is given; "" where hasID is false
	hasID   []bool
	special []bool // by id: left out by skipSpecial
}

// Encode returns the token ids of text. Added tokens that occur in the text are
// recognised. addSpecial adds what the post-processor's template asks for, such as
// a begin-of-text token. Bytes that are not UTF-8 count as U+FFFD, one for each
// maximal invalid part. The caller owns the result.
func (t *Tokenizer) Encode(text string, addSpecial bool) []int32 {
	if !utf8.ValidString(text) {
		text = lossy([]byte(text))
	}
	ids := make([]int32, 0, len(text)/3+8)
	if addSpecial {
		ids = t.post.apply(ids, func(ids []int32) []int32 { return t.encode(ids, text) })
	} else {
		ids = t.encode(ids, text)
	}
	return ids
}

// encode appends the ids of text without the template's.
func (t *Tokenizer) encode(ids []int32, text string) []int32 {
	words := t.pipeline(func(p piece) { ids = t.model.encode(ids, p.text) })
	for _, raw := range t.added.verbatim.split(piece{text: text, head: true}) {
		if raw.id >= 0 {
			ids = append(ids, raw.id)
			continue
		}
		p := raw.piece
		if t.norm != nil {
			p = t.norm.normalize(p)
		}
		for _, part := range t.added.normalized.split(p) {
			if part.id >= 0 {
				ids = append(ids, part.id)
			} else {
				words(part.piece)
			}
		}
	}
	return ids
}

// pipeline chains the pre-tokenisers; word takes what the last of them emits.
func (t *Tokenizer) pipeline(word func(piece)) func(piece) {
	for _, n := range slices.Backward(t.pre) {
		next := word
		word = func(p piece) { n.split(p, next) }
	}
	return word
}

// Decode returns the text of ids. skipSpecial leaves special tokens out. Ids that
// name no token are left out; bytes that are not UTF-8 become U+FFFD.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	s := t.Stream(skipSpecial)
	for _, id := range ids {
		s.push(id)
	}
	return s.Flush()
}

// ID returns the id of the added token or vocabulary entry with this content. A
// vocabulary entry is spelt as in the file: byte-level ones in the byte alphabet.
func (t *Tokenizer) ID(token string) (int32, bool) {
	if id, ok := t.added.ids[token]; ok {
		return id, true
	}
	id, ok := t.model.vocab[token]
	return id, ok
}

// Token returns the content of the token with this id, spelt as [Tokenizer.ID]
// takes it.
func (t *Tokenizer) Token(id int32) (string, bool) {
	if a, ok := t.added.byID[id]; ok {
		return a.Content, true
	}
	if !t.known(id) {
		return "", false
	}
	return t.tokens[id], true
}

// IsSpecial tells whether id is an added token marked special.
func (t *Tokenizer) IsSpecial(id int32) bool {
	return t.added.byID[id].Special
}

// VocabSize is the highest id plus one, counting added tokens. A model's logits may
// be wider.
func (t *Tokenizer) VocabSize() int { return len(t.tokens) }

// known tells whether id names a token.
func (t *Tokenizer) known(id int32) bool {
	return id >= 0 && int(id) < len(t.hasID) && t.hasID[id]
}
