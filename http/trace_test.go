package http

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/storetest"
)

// tracing makes a tracer and returns what it has recorded.
func tracing(t testing.TB) (trace.Tracer, *tracetest.SpanRecorder) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdk.NewTracerProvider(sdk.WithSpanProcessor(spans))
	t.Cleanup(func() { require.NoError(t, provider.Shutdown(context.Background())) })
	return provider.Tracer("test"), spans
}

// waitFor waits until so many spans have ended, and returns them by name.
func waitFor(t testing.TB, r *tracetest.SpanRecorder, n int) map[string]sdk.ReadOnlySpan {
	t.Helper()
	require.Eventually(t, func() bool { return len(r.Ended()) >= n }, patience, time.Millisecond)
	require.Len(t, r.Ended(), n)
	byName := map[string]sdk.ReadOnlySpan{}
	for _, s := range r.Ended() {
		byName[s.Name()] = s
	}
	require.Len(t, byName, n, "no two of a name")
	return byName
}

func attributes(s sdk.ReadOnlySpan) map[string]any {
	out := map[string]any{}
	for _, a := range s.Attributes() {
		out[string(a.Key)] = a.Value.AsInterface()
	}
	return out
}

// child checks that a span is within its parent.
func child(t testing.TB, parent, s sdk.ReadOnlySpan) {
	t.Helper()
	require.Equal(t, parent.SpanContext().SpanID(), s.Parent().SpanID(), s.Name())
	require.Equal(t, parent.SpanContext().TraceID(), s.SpanContext().TraceID(), s.Name())
	require.Equal(t, trace.SpanKindInternal, s.SpanKind(), s.Name())
	require.False(t, s.StartTime().Before(parent.StartTime()), s.Name())
}

// A request that is answered has a span with its parts, which follow each other and are within it, and one for the save, which follows.
func TestATraceHasTheParts(t *testing.T) {
	const client = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, e := range endpoints {
		for _, streaming := range []bool{false, true} {
			t.Run(fmt.Sprint(e.path, streaming), func(t *testing.T) {
				tracer, spans := tracing(t)
				h := live(t, Config{Tracer: tracer}, enginetest.Options{BlockTokens: 8}, actors.Config{Store: storetest.NewFake(), IdleSave: time.Nanosecond})
				a := h.post(t, e.path, e.body(fmt.Sprintf(`,"max_tokens":10,"ignore_eos":true,"stream":%v`, streaming)),
					"x-agent-id", "ada-lovelace", "traceparent", client, "tracestate", "vendor=1")
				require.Equal(t, http.StatusOK, a.status, a.body)
				got := waitFor(t, spans, 5)

				root := got["POST "+e.path]
				require.NotNil(t, root)
				require.Equal(t, trace.SpanKindServer, root.SpanKind())
				require.Equal(t, "4bf92f3577b34da6a3ce929d0e0e4736", root.SpanContext().TraceID().String())
				require.Equal(t, "00f067aa0ba902b7", root.Parent().SpanID().String())
				require.True(t, root.Parent().IsRemote())
				require.Equal(t, "vendor=1", root.SpanContext().TraceState().String())
				require.Equal(t, codes.Unset, root.Status().Code)
				of := attributes(root)
				require.Positive(t, of["gen_ai.usage.input_tokens"])
				require.NotEmpty(t, of["gen_ai.response.id"])
				prompt := of["gen_ai.usage.input_tokens"].(int64)
				delete(of, "gen_ai.usage.input_tokens")
				delete(of, "gen_ai.response.id")
				require.Equal(t, map[string]any{
					"http.request.method": "POST", "http.route": e.path, "http.response.status_code": int64(200), "troupe.request.id": a.header.Get("request-id"),
					"gen_ai.operation.name": "chat", "gen_ai.provider.name": "troupe", "gen_ai.response.model": "org/tiny",
					"gen_ai.agent.id": runtime.Pseudonym("ada-lovelace"), "gen_ai.request.max_tokens": int64(10), "gen_ai.request.stream": streaming,
					"gen_ai.usage.cache_read.input_tokens": int64(0), "gen_ai.usage.output_tokens": int64(10), "gen_ai.response.finish_reasons": []string{"length"},
				}, of)

				queue, prefill, decode, save := got["queue"], got["prefill"], got["decode"], got["save"]
				for _, s := range []sdk.ReadOnlySpan{queue, prefill, decode, save} {
					child(t, root, s)
					require.False(t, s.EndTime().Before(s.StartTime()), s.Name())
				}
				require.Equal(t, queue.EndTime(), prefill.StartTime())
				require.Equal(t, prefill.EndTime(), decode.StartTime())
				require.False(t, root.EndTime().Before(decode.EndTime()))
				require.Equal(t, map[string]any{"troupe.prefill_tokens": prompt}, attributes(prefill))
				require.Equal(t, map[string]any{"troupe.decode_tokens": int64(10)}, attributes(decode))
				require.Positive(t, attributes(save)["troupe.saved_bytes"])

				for _, s := range spans.Ended() {
					require.NotContains(t, fmt.Sprint(s.Name(), attributes(s), s.Events()), "lovelace", "an agent is a hash")
				}
			})
		}
	}
}

// The parts have the times of the meter.
func TestATraceHasTheTimesOfTheMeter(t *testing.T) {
	tracer, spans := tracing(t)
	s := New(Config{Logger: slog.New(slog.DiscardHandler), Tracer: tracer})
	began := time.Unix(1_700_000_000, 0)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	ctx, span := tracer.Start(context.Background(), "root", trace.WithTimestamp(began))
	g := &generation{call: &call{}, served: "tiny", tokens: 40, span: &traced{tracer: tracer, span: span, ctx: ctx, handed: true}}
	g.meter = meter{metrics: s.metrics, now: func() time.Time { return at(500) }, came: at(10), started: at(30), first: at(130), last: at(330)}
	s.report(g, actors.Outcome{PromptTokens: 40, CachedTokens: 32, OutputTokens: 5})
	got := waitFor(t, spans, 4)
	for name, want := range map[string][2]int{"root": {0, 500}, "queue": {10, 30}, "prefill": {30, 130}, "decode": {130, 330}} {
		require.Equal(t, [2]time.Time{at(want[0]), at(want[1])}, [2]time.Time{got[name].StartTime(), got[name].EndTime()}, name)
	}
	require.EqualValues(t, 8, attributes(got["prefill"])["troupe.prefill_tokens"], "the others were cached")
}

// A request that got nowhere has the parts that it got to, which end with it.
func TestATraceOfAFailure(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []actors.Event
		err    error
		stream bool
		parts  []string
		status int64
		kind   string
		failed bool
	}{
		{"in the queue", nil, runtime.Errorf(runtime.Internal, "no"), false, []string{"queue"}, 500, "internal", true},
		{"while its prompt is computed", hello[:1], runtime.Errorf(runtime.Internal, "no"), true, []string{"queue", "prefill"}, 200, "internal", true},
		{"in its answer", hello, runtime.Errorf(runtime.Swapping, "no"), true, []string{"queue", "prefill", "decode"}, 200, "swapping", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			tracer, spans := tracing(t)
			h, d := direct(t, Config{Tracer: tracer})
			d.stage(actors.Outcome{Err: c.err}, c.events...)
			h.post(t, "/v1/messages", anthropicBody(fmt.Sprintf(`,"stream":%v`, c.stream)))
			got := waitFor(t, spans, 1+len(c.parts))
			root := got["POST /v1/messages"]
			require.Equal(t, c.status, attributes(root)["http.response.status_code"])
			require.Equal(t, c.kind, attributes(root)["error.type"])
			require.Equal(t, codes.Error, root.Status().Code)
			for _, name := range c.parts {
				child(t, root, got[name])
			}
			if last := got[c.parts[len(c.parts)-1]]; last.Name() != "decode" {
				require.Equal(t, codes.Error, last.Status().Code)
			}
		})
	}
}

// What is refused has a span without parts, which says why; what only looks after the server has none.
func TestATraceOfWhatIsNoGeneration(t *testing.T) {
	tracer, spans := tracing(t)
	h, d := direct(t, Config{Tracer: tracer, APIKeys: []string{"right"}})
	d.refuse = runtime.Errorf(runtime.Busy, "full")
	for _, path := range []string{"/", "/health", "/health/ready", "/metrics"} {
		h.get(t, path, "x-api-key", "right")
	}
	require.Empty(t, spans.Started())
	for _, c := range []struct {
		method, path, key string
		name              string
		status            int64
		kind              any
	}{
		{"POST", "/v1/messages", "wrong", "POST", 401, "unauthorised"},
		{"POST", "/v1/messages", "right", "POST /v1/messages", 429, "busy"},
		{"GET", "/v1/models", "right", "GET /v1/models", 200, nil},
		{"GET", "/v1/models/secret-name", "right", "GET /v1/models/*", 404, "model_not_found"},
		{"GET", "/secret-name", "right", "GET", 404, "http"},
		{"GET", "/v1/messages", "right", "GET", 405, "http"},
	} {
		before := len(spans.Ended())
		a := h.do(t, c.method, c.path, anthropicBody(""), "x-api-key", c.key)
		require.EqualValues(t, c.status, a.status, a.body)
		require.Eventually(t, func() bool { return len(spans.Ended()) > before }, patience, time.Millisecond, c.path)
		s := spans.Ended()[before]
		require.Equal(t, c.name, s.Name())
		require.Equal(t, c.status, attributes(s)["http.response.status_code"], c.path)
		require.Equal(t, c.kind, attributes(s)["error.type"], c.path)
		require.Equal(t, codes.Unset, s.Status().Code, "the client is at fault")
		require.NotContains(t, fmt.Sprint(attributes(s)), "secret-name")
		require.Len(t, spans.Ended(), before+1, "no parts")
	}
}

// A parent that is not sampled, or none that can be read, does no harm.
func TestATraceparentOfAnyKind(t *testing.T) {
	for _, c := range []struct {
		header string
		spans  int
		parent bool
	}{
		{"", 4, false},
		{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", 0, true},
		{"00-00000000000000000000000000000000-00f067aa0ba902b7-01", 4, false},
		{strings.Repeat("x", 5000), 4, false},
	} {
		tracer, spans := tracing(t)
		h, d := direct(t, Config{Tracer: tracer})
		d.stage(ended(runtime.FinishStop), hello...)
		require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", anthropicBody(""), "traceparent", c.header).status)
		require.Equal(t, c.spans == 0, d.last(t).Saved == nil, "nobody wants to hear of the save")
		if c.spans == 0 {
			require.Empty(t, spans.Ended())
			continue
		}
		got := waitFor(t, spans, c.spans)
		require.Equal(t, c.parent, got["POST /v1/messages"].Parent().IsValid())
	}
}

// Without a tracer nothing is made.
func TestNoTracerNoTrace(t *testing.T) {
	h, d := direct(t, Config{})
	d.stage(ended(runtime.FinishStop), hello...)
	require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", anthropicBody(""), "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").status)
	require.Nil(t, d.last(t).Saved)
}
