package jinja

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxSource is the size in bytes beyond which Parse refuses a template. The
// longest that models carry are about 30 KB.
const MaxSource = 1 << 20

// lexer cuts a template into tokens, as jinja2's lexer does with trim_blocks
// and lstrip_blocks on.
type lexer struct {
	src    string
	pos    int
	line   int
	tokens []token
	// lineStarting: the last thing matched ended in a newline (or nothing has
	// been matched yet), so that white space before a block tag is a whole line's.
	lineStarting bool
}

func lex(source string) ([]token, error) {
	if len(source) > MaxSource {
		return nil, &Error{Kind: KindSyntax, Message: fmt.Sprintf("template of %d bytes; at most %d are read", len(source), MaxSource)}
	}
	if !utf8.ValidString(source) {
		return nil, &Error{Kind: KindSyntax, Message: "template is not valid UTF-8"}
	}
	source = normalizeNewlines(source)
	source = strings.TrimSuffix(source, "\n") // keep_trailing_newline is off
	l := &lexer{src: source, line: 1, lineStarting: true}
	for l.pos < len(l.src) {
		if err := l.root(); err != nil {
			return nil, err
		}
	}
	l.emit(tokEOF, "")
	return l.tokens, nil
}

func normalizeNewlines(s string) string {
	if !strings.Contains(s, "\r") {
		return s
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

func (l *lexer) fail(format string, args ...any) error {
	return &Error{Kind: KindSyntax, Line: l.line, Message: fmt.Sprintf(format, args...)}
}

func (l *lexer) emit(kind tokenKind, text string) {
	l.tokens = append(l.tokens, token{kind, text, l.line})
}

// advance moves over the next n bytes and counts their lines.
func (l *lexer) advance(n int) {
	part := l.src[l.pos : l.pos+n]
	l.line += strings.Count(part, "\n")
	l.pos += n
	if n > 0 {
		l.lineStarting = part[n-1] == '\n'
	}
}

func (l *lexer) rest() string { return l.src[l.pos:] }

// root reads text up to the next tag, and the tag.
func (l *lexer) root() error {
	rest := l.rest()
	at := nextTag(rest)
	if at < 0 {
		l.emit(tokData, rest)
		l.advance(len(rest))
		return nil
	}
	tag := rest[at : at+2]
	sign, after := signAt(rest, at+2)
	l.text(rest[:at], sign, tag != "{{")
	switch tag {
	case "{#":
		l.advance(after)
		return l.comment()
	case "{{":
		l.advance(at)
		l.emit(tokVariableBegin, tag)
		l.advance(after - at)
		return l.inside(tokVariableEnd)
	}
	if n := rawBegin(rest[after:]); n > 0 {
		l.advance(after + n)
		return l.raw()
	}
	l.advance(at)
	l.emit(tokBlockBegin, tag)
	l.advance(after - at)
	return l.inside(tokBlockEnd)
}

// nextTag finds the first of {{, {% and {#.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		j := strings.IndexByte(s[i:], '{')
		if j < 0 || i+j+1 >= len(s) {
			return -1
		}
		i += j
		switch s[i+1] {
		case '{', '%', '#':
			return i
		}
	}
	return -1
}

// signAt reads the white space control sign after a tag's opening.
func signAt(s string, i int) (sign byte, after int) {
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		return s[i], i + 1
	}
	return 0, i
}

// text emits the text before a tag, stripped as the tag's sign asks; block
// tells whether lstrip_blocks applies to the tag.
func (l *lexer) text(text string, sign byte, block bool) {
	switch {
	case sign == '-':
		text = strings.TrimRightFunc(text, isSpace)
	case sign != '+' && block:
		lineStart := strings.LastIndexByte(text, '\n') + 1
		if (lineStart > 0 || l.lineStarting) && strings.TrimFunc(text[lineStart:], isSpace) == "" {
			text = text[:lineStart]
		}
	}
	if text != "" {
		l.emit(tokData, text)
	}
}

// comment skips to the end of a comment whose opening has been read.
func (l *lexer) comment() error {
	end := strings.Index(l.rest(), "#}")
	if end < 0 {
		return l.fail("missing end of comment, '#}'")
	}
	sign := byte(0)
	if end > 0 {
		sign = l.rest()[end-1]
	}
	l.advance(end + 2)
	l.afterBlock(sign)
	return nil
}

// afterBlock strips what follows a closed block tag, comment or raw block.
func (l *lexer) afterBlock(sign byte) {
	rest := l.rest()
	switch {
	case sign == '-':
		l.advance(len(rest) - len(strings.TrimLeftFunc(rest, isSpace)))
	case sign != '+' && strings.HasPrefix(rest, "\n"):
		l.advance(1)
	}
}

// rawBegin measures "raw %}" after a block's opening; 0 if there is none.
func rawBegin(s string) int {
	rest := strings.TrimLeftFunc(s, isSpace)
	if !strings.HasPrefix(rest, "raw") {
		return 0
	}
	rest = strings.TrimLeftFunc(rest[len("raw"):], isSpace)
	switch {
	case strings.HasPrefix(rest, "-%}"):
		rest = strings.TrimLeftFunc(rest[3:], isSpace)
	case strings.HasPrefix(rest, "%}"):
		rest = rest[2:]
	default:
		return 0
	}
	return len(s) - len(rest)
}

// raw emits everything up to {% endraw %} as text.
func (l *lexer) raw() error {
	rest := l.rest()
	for from := 0; ; {
		at := strings.Index(rest[from:], "{%")
		if at < 0 {
			return l.fail("missing end of raw block, '{%% endraw %%}'")
		}
		at += from
		sign, after := signAt(rest, at+2)
		body := strings.TrimLeftFunc(rest[after:], isSpace)
		if strings.HasPrefix(body, "endraw") {
			body = strings.TrimLeftFunc(body[len("endraw"):], isSpace)
			endSign, n := signAt(body, 0)
			if strings.HasPrefix(body[n:], "%}") {
				l.text(rest[:at], sign, true)
				l.advance(len(rest) - len(body) + n + 2)
				l.afterBlock(endSign)
				return nil
			}
		}
		from = at + 2
	}
}
