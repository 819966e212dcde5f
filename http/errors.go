package http

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"troupe/runtime"
)

// Causes of a cancelled request, as [context.Cause] tells them.
var (
	errClientGone = errors.New("the client closed the connection")
	errShutdown   = errors.New("the server is shutting down")
)

// failure is an error as a client sees it, before a dialect gives it its form.
type failure struct {
	status  int
	message string
	param   string        // the request field at fault; may be empty
	code    string        // OpenAI's code, where it has one; may be empty
	retry   time.Duration // when trying again makes sense; 0 if waiting does not help
	tokens  bool          // a rate limit refused, and it was the one of tokens
}

// coded is an error that OpenAI has a code for.
type coded struct {
	error
	code string
}

// Unwrap returns the error itself.
func (c coded) Unwrap() error { return c.error }

// statusOf is the one map from an error's kind to its status.
func statusOf(k runtime.Kind) int {
	switch k {
	case runtime.Invalid:
		return http.StatusBadRequest
	case runtime.Unauthorised:
		return http.StatusUnauthorized
	case runtime.Unknown:
		return http.StatusNotFound
	case runtime.Conflict:
		return http.StatusConflict
	case runtime.TooLarge:
		return http.StatusRequestEntityTooLarge
	case runtime.Busy:
		return http.StatusTooManyRequests
	case runtime.Swapping, runtime.Draining, runtime.Starting:
		return http.StatusServiceUnavailable
	default:
		return http.StatusInternalServerError
	}
}

// retryable reports whether waiting helps against a kind of error.
func retryable(k runtime.Kind) bool {
	switch k {
	case runtime.Busy, runtime.Swapping, runtime.Draining, runtime.Starting:
		return true
	default:
		return false
	}
}

// newFailure says what a client is told of err. The text of an error that is not a [runtime.Error] stays in the log: it was not written for clients.
func newFailure(err error) failure {
	var known *runtime.Error
	var wire *fiber.Error
	var f failure
	switch {
	case errors.As(err, &known):
		f = failure{status: statusOf(known.Kind), message: known.Message, param: known.Param}
		if retryable(known.Kind) {
			f.retry = max(known.RetryAfter, time.Second)
		}
	case errors.As(err, &wire):
		f = failure{status: wire.Code, message: wire.Message}
	case errors.Is(err, errClientGone):
		f = failure{status: http.StatusBadRequest, message: "the client closed its side of the connection: keep it open until the answer is complete"}
	case errors.Is(err, errShutdown):
		f = failure{status: http.StatusServiceUnavailable, message: "the server is shutting down", retry: time.Second}
	case errors.Is(err, context.Canceled): // by the system, for the other causes are told apart by because
		f = failure{status: http.StatusRequestTimeout, message: "the answer was cut off because it was not read as fast as it was made"}
	default:
		f = failure{status: http.StatusInternalServerError, message: "internal error; the server's log has it under this request id"}
	}
	var withCode coded
	if errors.As(err, &withCode) {
		f.code = withCode.code
	}
	var rated limited
	if errors.As(err, &rated) {
		f.tokens = rated.tokens
	}
	return f
}

// mostRetry is how many seconds a client is told to wait at most: Claude Code gives up at once when it is told to wait longer.
const mostRetry = 50

// retryAfter is the value of a Retry-After header: whole seconds, 1 to mostRetry.
func retryAfter(d time.Duration) string {
	return strconv.Itoa(int(min(max(math.Ceil(d.Seconds()), 1), mostRetry)))
}

// handleError answers with an error in the dialect of the path that was called. It is the only place that does, also for requests that fiber could
// not read.
func (s *Server) handleError(c *fiber.Ctx, err error) error {
	id := s.identify(c)
	f := newFailure(err)
	var wire *fiber.Error
	if errors.As(err, &wire) {
		f.message = s.wireMessage(c, wire)
	}
	s.metrics.refuse(f, err)
	tracedOf(c).refused(f, err)
	if f.status == http.StatusInternalServerError {
		s.log.Error("request failed", "request", id, "method", c.Method(), "route", routeOf(c), "error", err)
	} else {
		s.log.Debug("request refused", "request", id, "method", c.Method(), "route", routeOf(c), "status", f.status, "error", err)
	}
	if f.retry > 0 {
		c.Set(fiber.HeaderRetryAfter, retryAfter(f.retry))
		c.Set("Retry-After-Ms", strconv.FormatInt(min(f.retry.Milliseconds(), mostRetry*1000), 10)) // the SDKs prefer it
	}
	return sendJSON(c, f.status, dialectOf(c).errorBody(f, id))
}

// wireMessage says what to change about a request that did not get as far as a handler.
func (s *Server) wireMessage(c *fiber.Ctx, err *fiber.Error) string {
	switch err.Code {
	case http.StatusForbidden:
		return err.Message
	case http.StatusNotFound:
		return fmt.Sprintf("there is no %s %s here", c.Method(), c.Path())
	case http.StatusMethodNotAllowed:
		return fmt.Sprintf("%s does not take %s; it takes %s", c.Path(), c.Method(), c.GetRespHeader(fiber.HeaderAllow))
	case http.StatusRequestTimeout:
		return fmt.Sprintf("the request did not arrive within %s", s.cfg.ReadTimeout)
	case http.StatusRequestEntityTooLarge:
		return fmt.Sprintf("the request body is larger than %d bytes", s.cfg.BodyLimit)
	case http.StatusRequestHeaderFieldsTooLarge:
		return fmt.Sprintf("the request headers are larger than %d bytes", headerLimit)
	default:
		return "the request is not valid HTTP: " + err.Message
	}
}
