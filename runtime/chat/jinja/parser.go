package jinja

import (
	"fmt"
	"strings"
)

// maxParseDepth bounds nested expressions and statements in a template.
const maxParseDepth = 200

// Template is a parsed template. It never changes, and any number of
// goroutines may render it at once.
type Template struct {
	body  []stmt
	frame *frame
}

// Parse reads a template. The error is an *Error of KindSyntax that names the
// line and what is wrong there. Unknown filters and tests are errors here
// unless they stand in a branch, where jinja2 lets them fail when reached.
func Parse(source string) (*Template, error) {
	tokens, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, uses: map[string]int{}}
	top, _ := p.newFrame()
	body, err := p.statements()
	if err != nil {
		return nil, err
	}
	if p.tok().kind != tokEOF {
		return nil, p.unknownTag()
	}
	if len(p.unknown) > 0 {
		return nil, p.unknown[0]
	}
	top.resolve()
	return &Template{body, top}, nil
}

type parser struct {
	tokens []token
	pos    int
	depth  int
	// loops is the number of for bodies around, within the macro; break and
	// continue need one. fors counts all for statements around.
	loops, fors int
	// open is the stack of the open block tags, for messages.
	open []string
	// ends is the stack of the tags that would end the body being read.
	ends [][]string
	// unknown filters and tests that are not in a branch.
	unknown []error
	// uses counts reads of the names that for and macro must know about:
	// loop, caller, kwargs and varargs.
	uses map[string]int
	// frame is the innermost scope around the current place.
	frame *frame
}

func (p *parser) tok() token { return p.tokens[p.pos] }

func (p *parser) look() token {
	if p.pos+1 < len(p.tokens) {
		return p.tokens[p.pos+1]
	}
	return p.tokens[len(p.tokens)-1]
}

// next returns the current token and moves on; it stays at the end.
func (p *parser) next() token {
	t := p.tok()
	if p.pos < len(p.tokens)-1 {
		p.pos++
	}
	return t
}

func (p *parser) failAt(line int, format string, args ...any) error {
	return &Error{Kind: KindSyntax, Line: line, Message: fmt.Sprintf(format, args...)}
}

func (p *parser) fail(format string, args ...any) error {
	return p.failAt(p.tok().line, format, args...)
}

func (p *parser) skipOp(text string) bool {
	if p.tok().op(text) {
		p.next()
		return true
	}
	return false
}

func (p *parser) skipName(name string) bool {
	if p.tok().is(name) {
		p.next()
		return true
	}
	return false
}

func (p *parser) expectOp(text string) error {
	if !p.skipOp(text) {
		return p.fail("expected '%s', got %s", text, p.tok().describe())
	}
	return nil
}

func (p *parser) expectKind(kind tokenKind, want string) (token, error) {
	if p.tok().kind != kind {
		return token{}, p.fail("expected %s, got %s", want, p.tok().describe())
	}
	return p.next(), nil
}

func (p *parser) expectName() (string, error) {
	t, err := p.expectKind(tokName, "a name")
	return t.text, err
}

// enter bounds recursion; leave undoes it.
func (p *parser) enter() error {
	p.depth++
	if p.depth > maxParseDepth {
		return p.fail("nested more than %d deep", maxParseDepth)
	}
	return nil
}

func (p *parser) leave() { p.depth-- }

// statements reads a body up to one of the end tags, whose name is left as the
// current token, or up to the end of the template.
func (p *parser) statements(ends ...string) ([]stmt, error) {
	if err := p.enter(); err != nil {
		return nil, err
	}
	defer p.leave()
	p.ends = append(p.ends, ends)
	defer func() { p.ends = p.ends[:len(p.ends)-1] }()
	var body []stmt
	for {
		t := p.tok()
		switch t.kind {
		case tokEOF:
			return body, nil
		case tokData:
			p.next()
			body = append(body, &dataStmt{line(t.line), t.text})
		case tokVariableBegin:
			p.next()
			x, err := p.tuple(tupleOptions{conditional: true})
			if err != nil {
				return nil, err
			}
			if _, err := p.expectKind(tokVariableEnd, "'}}'"); err != nil {
				return nil, err
			}
			body = append(body, &outputStmt{line(t.line), []expr{x}})
		case tokBlockBegin:
			p.next()
			for _, end := range ends {
				if p.tok().is(end) {
					return body, nil
				}
			}
			s, err := p.statement()
			if err != nil {
				return nil, err
			}
			if _, err := p.expectKind(tokBlockEnd, "'%}'"); err != nil {
				return nil, err
			}
			body = append(body, s)
		default:
			return nil, p.fail("unexpected %s", t.describe())
		}
	}
}

// body reads "%}", statements, and the end tag, whose name it returns.
func (p *parser) body(ends ...string) ([]stmt, string, error) {
	p.skipOp(":")
	if _, err := p.expectKind(tokBlockEnd, "'%}'"); err != nil {
		return nil, "", err
	}
	body, err := p.statements(ends...)
	if err != nil {
		return nil, "", err
	}
	if p.tok().kind == tokEOF {
		return nil, "", p.fail("unexpected end of template; '%s' needs '%s'", p.open[len(p.open)-1], strings.Join(ends, "' or '"))
	}
	return body, p.next().text, nil
}

func (p *parser) unknownTag() error {
	t := p.tok()
	msg := fmt.Sprintf("unknown tag %s", t.describe())
	if n := len(p.ends); n > 0 && len(p.ends[n-1]) > 0 {
		msg += fmt.Sprintf("; expected '%s'", strings.Join(p.ends[n-1], "' or '"))
	}
	if n := len(p.open); n > 0 {
		msg += fmt.Sprintf(" to close '%s'", p.open[n-1])
	}
	return p.failAt(t.line, "%s", msg)
}
