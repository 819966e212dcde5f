package jinja

import "fmt"

// tokenKind is what the lexer tells the parser about a token. Operators carry
// their spelling in the token's text.
type tokenKind int

const (
	tokEOF tokenKind = iota
	tokData
	tokBlockBegin
	tokBlockEnd
	tokVariableBegin
	tokVariableEnd
	tokName
	tokString
	tokInteger
	tokFloat
	tokOperator
)

type token struct {
	kind tokenKind
	text string // decoded for strings, as spelled for the others
	line int
}

// is reports whether t is the given name, such as the keyword "endfor".
func (t token) is(name string) bool { return t.kind == tokName && t.text == name }

// op reports whether t is the given operator.
func (t token) op(text string) bool { return t.kind == tokOperator && t.text == text }

// describe names t for an error message.
func (t token) describe() string {
	switch t.kind {
	case tokEOF:
		return "end of template"
	case tokData:
		return "template text"
	case tokBlockBegin:
		return "'{%'"
	case tokBlockEnd:
		return "'%}'"
	case tokVariableBegin:
		return "'{{'"
	case tokVariableEnd:
		return "'}}'"
	case tokString:
		return "a string"
	}
	return fmt.Sprintf("'%.60s'", t.text)
}
