package jinja

import (
	"errors"
	"fmt"
)

// Kind says whose fault an Error is. The list is closed.
type ErrorKind int

const (
	// KindSyntax: the template does not parse. Returned by Parse only.
	KindSyntax ErrorKind = iota + 1
	// KindRaised: the template called raise_exception; Message is meant for
	// the person who sent the conversation.
	KindRaised
	// KindLimit: rendering went beyond one of the Limits.
	KindLimit
	// KindRuntime: the template did something that fails in Python as well,
	// such as reading an attribute of an undefined value.
	KindRuntime
)

// Sentinels for errors.Is, one for each Kind.
var (
	ErrSyntax  = errors.New("template syntax error")
	ErrRaised  = errors.New("template refused the conversation")
	ErrLimit   = errors.New("template limit exceeded")
	ErrRuntime = errors.New("template failed")
)

// Error is every error that Parse and Render return, except that a cancelled
// context is returned as the context's own error, wrapped.
type Error struct {
	Kind    ErrorKind
	Line    int // 1-based line in the template; 0 if unknown
	Message string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%v: %s", e.sentinel(), e.Message)
	}
	return fmt.Sprintf("%v: line %d: %s", e.sentinel(), e.Line, e.Message)
}

// Unwrap lets errors.Is(err, ErrRaised) and its siblings work.
func (e *Error) Unwrap() error { return e.sentinel() }

func (e *Error) sentinel() error {
	switch e.Kind {
	case KindSyntax:
		return ErrSyntax
	case KindRaised:
		return ErrRaised
	case KindLimit:
		return ErrLimit
	default:
		return ErrRuntime
	}
}

// failf makes a runtime error whose line is filled in by the statement that
// was running.
func failf(format string, args ...any) error {
	return &Error{Kind: KindRuntime, Message: fmt.Sprintf(format, args...)}
}

func limitf(format string, args ...any) error {
	return &Error{Kind: KindLimit, Message: fmt.Sprintf(format, args...)}
}

// atLine fills in the line of an error that has none. Errors belong to one
// run, so changing them in place is safe.
func atLine(err error, line int) error {
	var e *Error
	if errors.As(err, &e) && e.Line == 0 {
		e.Line = line
	}
	return err
}
