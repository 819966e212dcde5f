package otlp_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"troupe/http/otlp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector takes what exporters send.
type collector struct {
	*httptest.Server
	mu      sync.Mutex
	refuse  []int // statuses of the next requests, before it takes one
	headers []http.Header
	spans   []*tracepb.Span
	about   map[string]string
}

func newCollector(t *testing.T, refuse ...int) *collector {
	t.Helper()
	c := &collector{refuse: refuse, about: map[string]string{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		if r.URL.Path != "/v1/traces" || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/x-protobuf" {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		c.headers = append(c.headers, r.Header)
		if len(c.refuse) > 0 {
			w.WriteHeader(c.refuse[0])
			c.refuse = c.refuse[1:]
			return
		}
		z, err := gzip.NewReader(r.Body)
		if err == nil {
			var body []byte
			var m tracepb.TracesData
			if body, err = io.ReadAll(z); err == nil {
				err = proto.Unmarshal(body, &m)
			}
			// The protocol has an ExportTraceServiceRequest instead, whose only field is resource_spans = 1.
			if field, wire, _ := protowire.ConsumeTag(body); field != 1 || wire != protowire.BytesType {
				err = errors.New("no resource_spans")
			}
			for _, of := range m.ResourceSpans {
				for _, a := range of.Resource.Attributes {
					c.about[a.Key] = a.Value.GetStringValue()
				}
				for _, s := range of.ScopeSpans {
					c.spans = append(c.spans, s.Spans...)
				}
			}
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

func start(t *testing.T, cfg otlp.Config) *otlp.Exporter {
	t.Helper()
	e, err := otlp.Start(cfg)
	require.NoError(t, err)
	return e
}

func shutdown(t *testing.T, e *otlp.Exporter) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, e.Shutdown(ctx))
}

func TestSpansArrive(t *testing.T) {
	c := newCollector(t)
	e := start(t, otlp.Config{Endpoint: c.URL, Version: "1.2.3", Headers: map[string]string{"x-key": "k"}})
	began := time.Unix(1_700_000_000, 5)
	ctx, root := e.Tracer().Start(context.Background(), "root", trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindServer))
	_, part := e.Tracer().Start(ctx, "part", trace.WithTimestamp(began.Add(time.Second)))
	part.End(trace.WithTimestamp(began.Add(2 * time.Second)))
	root.End(trace.WithTimestamp(began.Add(3 * time.Second)))
	shutdown(t, e)

	require.Len(t, c.headers, 1)
	require.Equal(t, "k", c.headers[0].Get("x-key"))
	require.Equal(t, "troupe", c.about["service.name"])
	require.Equal(t, "1.2.3", c.about["service.version"])
	require.Len(t, c.spans, 2)
	p, r := c.spans[0], c.spans[1]
	require.Equal(t, []string{"part", "root"}, []string{p.Name, r.Name})
	require.Equal(t, tracepb.Span_SPAN_KIND_SERVER, r.Kind)
	require.Equal(t, r.TraceId, p.TraceId)
	require.Equal(t, r.SpanId, p.ParentSpanId)
	require.Empty(t, r.ParentSpanId)
	for s, from := range map[*tracepb.Span]time.Duration{r: 0, p: time.Second} {
		require.EqualValues(t, began.Add(from).UnixNano(), s.StartTimeUnixNano)
	}
	require.EqualValues(t, 3*time.Second, r.EndTimeUnixNano-r.StartTimeUnixNano)
	require.EqualValues(t, time.Second, p.EndTimeUnixNano-p.StartTimeUnixNano)
}

// A collector that is overloaded gets the batch again, and one that does not want it does not.
func TestSomeRefusalsAreTriedAgain(t *testing.T) {
	for _, x := range []struct {
		refuse      []int
		tries, want int
	}{
		{[]int{503, 429}, 3, 1},
		{[]int{400}, 1, 0},
		{[]int{302}, 1, 0},
	} {
		c := newCollector(t, x.refuse...)
		var log strings.Builder
		e := start(t, otlp.Config{Endpoint: c.URL + "/", Logger: slog.New(slog.NewTextHandler(&log, nil))})
		_, s := e.Tracer().Start(context.Background(), "s")
		s.End()
		shutdown(t, e)
		require.Len(t, c.headers, x.tries)
		require.Len(t, c.spans, x.want)
		require.Equal(t, x.want == 0, strings.Contains(log.String(), "spans are lost"), log.String())
	}
}

// A collector that never answers holds nobody up, however many spans there are, and the end waits for it only as long as it is told to.
func TestAHangingCollectorHoldsNobodyUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // nobody accepts
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	e := start(t, otlp.Config{Endpoint: "http://" + l.Addr().String()})
	for range 10_000 {
		_, s := e.Tracer().Start(context.Background(), "s")
		s.End()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, e.Shutdown(ctx), context.Canceled)
}

// A collector that is not there is in the log once.
func TestAnAbsentCollectorIsLoggedOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	var log strings.Builder
	e := start(t, otlp.Config{Endpoint: "http://" + l.Addr().String(), Logger: slog.New(slog.NewTextHandler(&log, nil)), Headers: map[string]string{"x-key": "sesame"}})
	for range 600 { // more than one batch
		_, s := e.Tracer().Start(context.Background(), "s")
		s.End()
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	require.NoError(t, e.Shutdown(ctx))
	require.Equal(t, 1, strings.Count(log.String(), "\n"), log.String())
	require.NotContains(t, log.String(), "sesame")
}

func TestTarget(t *testing.T) {
	for endpoint, want := range map[string]string{
		"http://localhost:4318":            "http://localhost:4318/v1/traces",
		"http://localhost:4318/":           "http://localhost:4318/v1/traces",
		"https://c.example/otlp":           "https://c.example/otlp/v1/traces",
		"https://c.example/otlp/v1/traces": "https://c.example/otlp/v1/traces",
	} {
		got, err := otlp.Target(endpoint)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, endpoint := range []string{"", "localhost:4318", "ftp://c", "http://", "http://u:secret@c", "http://c?x=1", "http://c#f", "http://c:port", "grpc://c:4317"} {
		_, err := otlp.Target(endpoint)
		require.ErrorContains(t, err, "the URL of the collector", endpoint)
		require.NotContains(t, err.Error(), "secret")
	}
}
