package tokenizer

// Piece returns what a token spells before it is decoded, for comparing: two sequences of plain tokens whose joined pieces are equal have the same text.
// Added tokens, and those that stand for a byte, are not plain: the same letters may mean something else.
func (t *Tokenizer) Piece(id int32) (text string, plain bool) {
	if !t.known(id) {
		return "", false
	}
	text = t.tokens[id]
	if _, added := t.added.byID[id]; added || t.decode == nil { // without a decoder tokens are joined by spaces
		return text, false
	}
	if _, isByte := byteToken(text); isByte {
		return text, false
	}
	return text, true
}
