package http

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"troupe/actors"
)

// traced is the span of a request. A nil one, of a request that is not traced, does nothing.
//
// What was said is in no attribute, of agents and paths there are only hash and route. A traceparent of the client is the parent.
type traced struct {
	tracer trace.Tracer
	span   trace.Span
	ctx    context.Context // has the span
	handed bool            // to a stream, which ends it
}

// tracedKey is where a request keeps its span.
type tracedKey struct{}

// tracedOf returns the span of a request.
func tracedOf(c *fiber.Ctx) *traced {
	t, _ := c.Locals(tracedKey{}).(*traced)
	return t
}

// trace begins the span of a request, if it is one of those that are traced: what monitors ask all the time is not.
func (s *Server) trace(c *fiber.Ctx) *traced {
	path := c.Path()
	if s.cfg.Tracer == nil || path == "/" || path == "/metrics" || strings.HasPrefix(path, "/health") || strings.HasPrefix(path, "/debug") {
		return nil
	}
	header := propagation.MapCarrier{}
	for _, name := range []string{"traceparent", "tracestate"} {
		header.Set(name, c.Get(name))
	}
	t := &traced{tracer: s.cfg.Tracer}
	parent := propagation.TraceContext{}.Extract(context.Background(), header)
	method := c.Method()
	t.ctx, t.span = t.tracer.Start(parent, method, trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(s.now()),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(method), attribute.String("troupe.request.id", s.identify(c))))
	c.Locals(tracedKey{}, t)
	return t
}

// answered notes what a request was and how it is answered.
func (t *traced) answered(c *fiber.Ctx) {
	if route := routeOf(c); route != "none" {
		t.span.SetName(c.Method() + " " + route)
		t.span.SetAttributes(semconv.HTTPRoute(route))
	}
	status := c.Response().StatusCode()
	t.span.SetAttributes(semconv.HTTPResponseStatusCode(status))
	if status >= http.StatusInternalServerError {
		t.span.SetStatus(codes.Error, "")
	}
}

// end ends the span of a request whose handlers are through, unless a stream goes on.
func (t *traced) end(c *fiber.Ctx, now func() time.Time) {
	if t != nil && !t.handed {
		t.answered(c)
		t.span.End(trace.WithTimestamp(now()))
	}
}

// hand leaves the end of the span to a stream.
func (t *traced) hand(c *fiber.Ctx) {
	if t != nil {
		t.answered(c)
		t.handed = true
	}
}

// refused notes why a request got an error.
func (t *traced) refused(f failure, err error) {
	if t != nil {
		t.span.SetAttributes(semconv.ErrorTypeKey.String(refusalReason(f, err)))
	}
}

// saved returns what makes a span of a save; nil: nobody wants one. The save comes after the request, in whose trace it is, or while that is paused.
func (t *traced) saved() func(actors.SaveReport) {
	if t == nil || !t.span.IsRecording() {
		return nil
	}
	tracer, ctx := t.tracer, trace.ContextWithSpanContext(context.Background(), t.span.SpanContext())
	return func(r actors.SaveReport) {
		_, span := tracer.Start(ctx, "save", trace.WithTimestamp(r.Began), trace.WithAttributes(attribute.Int64("troupe.saved_bytes", r.Bytes)))
		if r.Err != nil {
			span.SetStatus(codes.Error, "the store failed")
		}
		span.End(trace.WithTimestamp(r.Began.Add(r.Took)))
	}
}

// report adds what a generation was and the parts of it that it got to: queue, prefill, decode. It ends the span of a stream.
func (t *traced) report(g *generation, out actors.Outcome) {
	if t == nil || !t.span.IsRecording() {
		return
	}
	x, now := &g.meter, g.meter.now()
	t.span.SetAttributes(
		semconv.GenAIOperationNameChat, semconv.GenAIProviderNameKey.String("troupe"),
		semconv.GenAIResponseModel(g.served), semconv.GenAIResponseID(g.id), semconv.GenAIAgentID(g.pseudonym),
		semconv.GenAIRequestMaxTokens(g.maxTokens), semconv.GenAIRequestStreamKey.Bool(g.call.stream),
		semconv.GenAIUsageInputTokens(g.tokens), semconv.GenAIUsageCacheReadInputTokens(out.CachedTokens), semconv.GenAIUsageOutputTokens(out.OutputTokens),
		semconv.GenAIResponseFinishReasons(finishedReason(out)),
	)
	part := func(name string, from, to time.Time, attrs ...attribute.KeyValue) {
		cut := to.IsZero()
		if cut {
			to = now
		}
		_, span := t.tracer.Start(t.ctx, name, trace.WithTimestamp(from), trace.WithAttributes(attrs...))
		if cut && out.Err != nil {
			span.SetStatus(codes.Error, finishedReason(out))
		}
		span.End(trace.WithTimestamp(to))
	}
	part("queue", x.came, x.started)
	if !x.started.IsZero() {
		part("prefill", x.started, x.first, attribute.Int("troupe.prefill_tokens", g.tokens-out.CachedTokens))
	}
	if !x.first.IsZero() {
		part("decode", x.first, x.last, attribute.Int("troupe.decode_tokens", out.OutputTokens))
	}
	if out.Err != nil && !errors.Is(out.Err, context.Canceled) {
		t.span.SetStatus(codes.Error, finishedReason(out))
	}
	if t.handed {
		if out.Err != nil {
			t.refused(newFailure(out.Err), out.Err)
		}
		t.span.End(trace.WithTimestamp(now))
	}
}
