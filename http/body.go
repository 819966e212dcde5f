package http

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/gofiber/fiber/v2"

	"troupe/runtime"
)

// requestBody reads the body as it was sent, within the server's limit of bytes; the limit of time is the connection's. It is read here and not before
// the handler, so that a client that is refused has not cost us its body.
func (s *Server) requestBody(c *fiber.Ctx) ([]byte, error) {
	if e := c.Get(fiber.HeaderContentEncoding); e != "" && !strings.EqualFold(e, "identity") {
		// Unpacking would let a small body grow past every limit.
		return nil, runtime.Errorf(runtime.Invalid, "Content-Encoding %s is not supported: send the body as it is", textOf(e))
	}
	r := c.Request()
	stream := r.BodyStream()
	if stream == nil {
		return nil, nil
	}
	length := r.Header.ContentLength() // negative: unknown
	if length > s.cfg.BodyLimit {
		return nil, fiber.ErrRequestEntityTooLarge
	}
	body, err := io.ReadAll(io.LimitReader(stream, int64(s.cfg.BodyLimit)+1))
	switch {
	case err != nil:
		return nil, bodyError(err)
	case len(body) > s.cfg.BodyLimit:
		return nil, fiber.ErrRequestEntityTooLarge
	case len(body) < length: // fasthttp takes the end of the connection for the end of the body
		return nil, bodyError(io.ErrUnexpectedEOF)
	}
	return body, nil
}

// bodyError is what a client is told whose body did not arrive.
func bodyError(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return fiber.ErrRequestTimeout
	}
	return fiber.NewError(http.StatusBadRequest, "the body broke off: "+err.Error())
}
