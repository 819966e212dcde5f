package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gofiber/fiber/v2"

	"troupe/runtime"
)

// Archive carries agents between servers, each as one file. Ids are internal ones.
type Archive interface {
	// Export writes what is on disk of an agent. An unknown agent is an error of kind Unknown, before anything is written.
	Export(ctx context.Context, id string, w io.Writer) error
	// Import reads what Export wrote and keeps it on disk as the agent id, which is not there yet. A file that is not whole is an error of kind Invalid and
	// leaves nothing behind.
	Import(ctx context.Context, id string, r io.Reader) error
}

// lockImport lets only the administrator import, if there are keys at all: that a file is whole does not mean that it is honest, and what is in it may be shared
// with other agents.
func (s *Server) lockImport(c *fiber.Ctx) error {
	switch {
	case !s.adminKeys.empty():
		return s.requireAdmin(c)
	case !s.keys.empty():
		return fiber.ErrNotFound
	default:
		return c.Next()
	}
}

// exportAgent answers GET /v1/agents/ID/export with a file. If it fails in the middle the connection breaks, so that nobody takes a part for the whole.
func (s *Server) exportAgent(c *fiber.Ctx, v *service, id string) error {
	if v.archive == nil {
		return fiber.ErrNotFound
	}
	if err := v.agents.Save(s.ctx, id); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(s.ctx)
	file, out := io.Pipe()
	go func() { out.CloseWithError(v.archive.Export(ctx, id, out)) }()
	begin := bufio.NewReaderSize(file, 64<<10)
	if _, err := begin.Peek(1); err != nil { // the first byte is the status
		cancel()
		if errors.Is(err, io.EOF) {
			err = fmt.Errorf("the export of agent %q is empty", id)
		}
		return err
	}
	c.Set(fiber.HeaderContentType, fiber.MIMEOctetStream)
	c.Set(fiber.HeaderContentDisposition, fmt.Sprintf(`attachment; filename="%s.troupe"`, clientID(id)))
	conn, request := c.Context().Conn(), s.identify(c)
	s.running.RLock()
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer s.running.RUnlock()
		defer cancel()
		_, err := io.Copy(&patientWriter{w: w, conn: conn, timeout: s.cfg.WriteTimeout}, begin)
		_ = file.CloseWithError(errClientGone) // ends the export if it has not
		if err != nil {
			s.log.Warn("an export broke off", "request", request, "error", err)
			_ = conn.Close() // there is nobody to tell
		}
	})
	return nil
}

// importAgent answers POST /v1/agents/import?id=ID with the agent that the body became.
func (s *Server) importAgent(c *fiber.Ctx, v *service) error {
	if v.archive == nil {
		return fiber.ErrNotFound
	}
	id := c.Query("id")
	if !validID(id) {
		return errBadID("id")
	}
	id = runtime.JoinAgent(owner(c), id)
	// What the server knows of an agent would replace the import with the next save.
	switch _, err := v.agents.Agent(s.ctx, id); {
	case err == nil:
		// A client that still sends might not see the answer before its connection is gone.
		if _, err := io.Copy(io.Discard, s.bodyReader(c)); err != nil {
			return err
		}
		return runtime.Errorf(runtime.Conflict, "there is an agent %s already: delete it first, or import as another one", textOf(clientID(id)))
	case runtime.KindOf(err) != runtime.Unknown:
		return err
	}
	if err := v.archive.Import(s.ctx, id, s.bodyReader(c)); err != nil {
		return err
	}
	return s.getAgent(c, v, id)
}

// patientWriter gives a client some time for every write, instead of a time for all of them.
type patientWriter struct {
	w       *bufio.Writer
	conn    net.Conn
	timeout time.Duration
}

func (p *patientWriter) Write(b []byte) (int, error) {
	if err := p.conn.SetWriteDeadline(time.Now().Add(p.timeout)); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	if err == nil {
		err = p.w.Flush()
	}
	return n, err
}

// bodyReader reads a body of any length. Its end is an error if it came too early, and so is a client that sends nothing for as long as a whole request may
// take otherwise.
func (s *Server) bodyReader(c *fiber.Ctx) io.Reader {
	r := c.Request()
	stream := r.BodyStream()
	if stream == nil {
		return http.NoBody
	}
	return &bodyReader{r: stream, conn: c.Context().Conn(), timeout: s.cfg.ReadTimeout, left: int64(r.Header.ContentLength())}
}

type bodyReader struct {
	r       io.Reader
	conn    net.Conn
	timeout time.Duration
	left    int64 // negative: unknown
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if err := b.conn.SetReadDeadline(time.Now().Add(b.timeout)); err != nil {
		return 0, err
	}
	n, err := b.r.Read(p)
	if b.left >= 0 {
		b.left -= int64(n)
	}
	switch {
	case err == io.EOF && b.left > 0: //nolint:errorlint // the end is the bare one
		err = bodyError(io.ErrUnexpectedEOF)
	case err != nil && err != io.EOF: //nolint:errorlint // a wrapped one is a body that was cut off
		err = bodyError(err)
	}
	return n, err
}
