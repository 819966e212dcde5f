package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// attempts is how often a batch is sent, and patience how long to wait before the second time; it doubles.
const (
	attempts = 3
	patience = 500 * time.Millisecond
)

// client posts spans to a collector. It implements otlptrace.Client, whose calls come one at a time.
type client struct {
	target  string
	headers map[string]string
	log     *slog.Logger
	http    *http.Client
	life    context.Context
	abort   context.CancelFunc // ends life: what runs fails at once
	lost    int                // spans since the collector was reached last
}

func newClient(target string, headers map[string]string, log *slog.Logger) *client {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	c := &client{target: target, headers: headers, log: log, http: &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a key is for the collector that was named
	}}
	c.life, c.abort = context.WithCancel(context.Background())
	return c
}

// Start implements otlptrace.Client.
func (c *client) Start(context.Context) error { return nil }

// Stop implements otlptrace.Client.
func (c *client) Stop(context.Context) error {
	c.http.CloseIdleConnections()
	return nil
}

// UploadTraces implements otlptrace.Client. What cannot be sent is lost; the log says so once, and when the collector is back. There is nobody else to tell: an error
// would only go to the SDK's log.
func (c *client) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	err := c.life.Err()
	if err == nil {
		err = c.send(ctx, spans)
	}
	switch {
	case err == nil && c.lost > 0:
		c.log.Info("the collector of traces is back", "lost_spans", c.lost)
		c.lost = 0
	case err != nil:
		if c.lost == 0 {
			c.log.Warn("spans are lost: the collector of traces does not take them", "url", c.target, "error", err)
		}
		c.lost += count(spans)
	}
	return nil
}

func (c *client) send(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	// On the wire an ExportTraceServiceRequest is a TracesData; its own package would bring gRPC.
	message, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	_, _ = z.Write(message) // a buffer takes it
	_ = z.Close()
	for n := 1; ; n++ {
		wait, err := c.post(ctx, body.Bytes())
		if err == nil || wait < 0 || n == attempts {
			return err
		}
		select {
		case <-time.After(max(wait, patience<<(n-1))):
		case <-ctx.Done():
			return err
		}
	}
}

// post sends a body once. wait is how long the collector wants to be left alone before the next time; negative: another time would not help.
func (c *client) post(ctx context.Context, body []byte) (wait time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.target, bytes.NewReader(body))
	if err != nil {
		return -1, err
	}
	r.Header.Set("Content-Type", "application/x-protobuf")
	r.Header.Set("Content-Encoding", "gzip")
	r.Header.Set("User-Agent", "troupe")
	for name, value := range c.headers {
		r.Header.Set(name, value)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()                      // all that counts is known
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	switch resp.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // 0 if there is none
		return time.Duration(min(max(seconds, 0), 60)) * time.Second, fmt.Errorf("the collector answers %s", resp.Status)
	}
	return -1, fmt.Errorf("the collector answers %s", resp.Status)
}

func count(spans []*tracepb.ResourceSpans) (n int) {
	for _, r := range spans {
		for _, s := range r.ScopeSpans {
			n += len(s.Spans)
		}
	}
	return n
}
