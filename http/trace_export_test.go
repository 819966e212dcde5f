package http

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"troupe/actors"
	"troupe/http/otlp"
	"troupe/runtime/enginetest"
	"troupe/runtime/storetest"
)

// What a collector gets of a request is the whole trace: the last turn is saved when the house closes, and sent after that.
func TestTheCollectorGetsTheWholeTrace(t *testing.T) {
	spans := map[string]*tracepb.Span{}
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			return
		}
		body, err := io.ReadAll(z)
		var data tracepb.TracesData
		if err != nil || proto.Unmarshal(body, &data) != nil {
			return
		}
		for _, of := range data.ResourceSpans {
			for _, s := range of.ScopeSpans[0].Spans {
				spans[s.Name] = s
			}
		}
	}))
	defer collector.Close()
	exporter, err := otlp.Start(otlp.Config{Endpoint: collector.URL})
	require.NoError(t, err)
	t.Run("serve", func(t *testing.T) {
		h := live(t, Config{Tracer: exporter.Tracer()}, enginetest.Options{BlockTokens: 8}, actors.Config{Store: storetest.NewFake(), IdleSave: time.Hour})
		require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", anthropicBody(`,"stream":true`), "x-agent-id", "ada").status)
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	require.NoError(t, exporter.Shutdown(ctx))

	require.Len(t, spans, 5)
	root, queue, prefill, decode, save := spans["POST /v1/messages"], spans["queue"], spans["prefill"], spans["decode"], spans["save"]
	require.Equal(t, tracepb.Span_SPAN_KIND_SERVER, root.Kind)
	require.Empty(t, root.ParentSpanId)
	for _, s := range []*tracepb.Span{queue, prefill, decode, save} {
		require.Equal(t, root.TraceId, s.TraceId, s.Name)
		require.Equal(t, root.SpanId, s.ParentSpanId, s.Name)
	}
	times := []uint64{
		root.StartTimeUnixNano, queue.StartTimeUnixNano, queue.EndTimeUnixNano, prefill.EndTimeUnixNano, decode.EndTimeUnixNano, root.EndTimeUnixNano,
		save.StartTimeUnixNano, save.EndTimeUnixNano,
	}
	require.IsNonDecreasing(t, times)
	require.Equal(t, queue.EndTimeUnixNano, prefill.StartTimeUnixNano)
	require.Equal(t, prefill.EndTimeUnixNano, decode.StartTimeUnixNano)
}

// A collector that never answers costs requests nothing: here more spans are made than its queue takes.
func TestRequestsDoNotWaitForTheCollector(t *testing.T) {
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, nobody.Close()) }()
	t.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "8")
	t.Setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
	exporter, err := otlp.Start(otlp.Config{Endpoint: "http://" + nobody.Addr().String()})
	require.NoError(t, err)
	t.Run("serve", func(t *testing.T) {
		h := live(t, Config{Tracer: exporter.Tracer()}, enginetest.Options{}, actors.Config{})
		for range 20 {
			require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", anthropicBody(""), "x-agent-id", "ada").status)
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, exporter.Shutdown(ctx), context.Canceled)
}
