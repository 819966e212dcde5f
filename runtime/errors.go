package runtime

import (
	"errors"
	"fmt"
	"time"
)

// Kind says what went wrong in the terms a caller can act on. The list is closed; http maps each kind to one status.
type Kind int

// The kinds of error. A new one is added at the end, together with its status in http.
const (
	Internal     Kind = iota // a fault of ours; the zero value, so that an unclassified error is never blamed on the client
	Invalid                  // the request cannot be served as it is; the message says what to change
	Unauthorised             // no key, or a wrong one
	Unknown                  // what was named does not exist
	TooLarge                 // larger than a limit that waiting does not lift
	Busy                     // no room now; RetryAfter says when to come back
	Swapping                 // the model is being replaced
	Draining                 // the server is shutting down
	Starting                 // the model is not loaded yet
	Conflict                 // what was named is not in a state for this: taken already, or in use
)

// String returns the kind's name as it appears in logs and metrics.
func (k Kind) String() string {
	names := [...]string{"internal", "invalid", "unauthorised", "unknown", "too_large", "busy", "swapping", "draining", "starting", "conflict"}
	if k < 0 || int(k) >= len(names) {
		return fmt.Sprintf("kind(%d)", int(k))
	}
	return names[k]
}

// Error is an error with a kind. Message is written for the client; Err, if there is one, for the log.
type Error struct {
	Kind       Kind
	Message    string
	Param      string        // the request field at fault, in the client's spelling; may be empty
	RetryAfter time.Duration // for Busy, Swapping, Draining and Starting: when trying again makes sense
	Err        error
}

// Error returns the message and the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return e.Message + ": " + e.Err.Error()
	}
	return e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an error of a kind.
func Errorf(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// InvalidParam makes an Invalid error that names the request field at fault.
func InvalidParam(param, format string, args ...any) *Error {
	return &Error{Kind: Invalid, Param: param, Message: fmt.Sprintf(format, args...)}
}

// KindOf returns the kind of the first [Error] in err's chain, and Internal if there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
