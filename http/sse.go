package http

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"time"
)

// sse writes server-sent events to one client. It is used by one goroutine. The first error sticks: everything after it is dropped.
type sse struct {
	w       *bufio.Writer
	conn    net.Conn      // for the deadline; the bytes go through w
	timeout time.Duration // for the client to take what one flush sends
	buf     bytes.Buffer
	err     error
}

// event writes an event of a type, or of none if name is empty, with data as JSON. It is sent with the next flush.
func (s *sse) event(name string, data any) {
	if s.err != nil {
		return
	}
	s.buf.Reset()
	if name != "" {
		fmt.Fprintf(&s.buf, "event: %s\n", name)
	}
	s.buf.WriteString("data: ")
	if s.err = encode(&s.buf, data); s.err != nil { // ends the line
		return
	}
	s.buf.WriteByte('\n')
	_, s.err = s.w.Write(s.buf.Bytes())
}

// raw writes a line that is not JSON, with the empty line that ends it.
func (s *sse) raw(line string) {
	if s.err == nil {
		_, s.err = s.w.WriteString(line + "\n\n")
	}
}

// flush sends what was written. It returns the first error of all calls.
func (s *sse) flush() error {
	if s.err == nil && s.w.Buffered() > 0 {
		s.err = s.conn.SetWriteDeadline(time.Now().Add(s.timeout))
	}
	if s.err == nil {
		s.err = s.w.Flush()
	}
	return s.err
}

// encode appends v as one line of JSON, with the characters <, > and & as they are: the answer is not HTML.
func encode(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
