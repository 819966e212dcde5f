// Package otlp sends spans to an OpenTelemetry collector, as protobuf over HTTP (OTLP/HTTP).
//
// The SDK's exporter for that brings gRPC with it, which it has no use for and which would make the binary 8 MB larger. The rest of it is here: the SDK's batches, the
// SDK's protobuf, and a client that posts them.
package otlp

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// uploadTimeout bounds how long a batch is tried.
const uploadTimeout = 10 * time.Second

// Config says where spans go.
type Config struct {
	Endpoint string            // URL of the collector; /v1/traces is appended
	Headers  map[string]string // of each request, like a key
	Version  string            // of the service
	Logger   *slog.Logger      // hears when the collector cannot be reached, and when it can again
}

// Exporter sends what its tracer's spans say, in the background: a span that ends is put into a queue, and dropped if that is full. Nobody who makes spans ever waits.
type Exporter struct {
	provider *sdk.TracerProvider
	client   *client
}

// Start makes an exporter. The variables of the SDK for sampling, batches and the resource are honoured (OTEL_TRACES_SAMPLER, OTEL_BSP_…, OTEL_SERVICE_NAME,
// OTEL_RESOURCE_ATTRIBUTES). Shutdown must be called.
func Start(cfg Config) (*Exporter, error) {
	target, err := Target(cfg.Endpoint)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", "troupe"), attribute.String("service.version", cfg.Version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("otlp: describe this service: %w", err)
	}
	c := newClient(target, cfg.Headers, cfg.Logger)
	exporter, err := otlptrace.New(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("otlp: %w", err)
	}
	return &Exporter{client: c, provider: sdk.NewTracerProvider(sdk.WithResource(about), sdk.WithBatcher(exporter, sdk.WithExportTimeout(uploadTimeout)))}, nil
}

// Tracer makes the spans.
func (e *Exporter) Tracer() trace.Tracer { return e.provider.Tracer("troupe") }

// Shutdown sends what is left until ctx ends; the rest is lost, and the error says so.
func (e *Exporter) Shutdown(ctx context.Context) error {
	defer context.AfterFunc(ctx, e.client.abort)()
	err := e.provider.Shutdown(context.WithoutCancel(ctx)) // the SDK would leave what it has under way to itself
	if e.client.abort(); err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("spans were not sent: %w", err)
	}
	return nil
}

// Target is the URL that spans are posted to, or why there cannot be one.
func Target(endpoint string) (string, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return "", fmt.Errorf("the URL of the collector: %w", err)
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", fmt.Errorf("the URL of the collector must be like http://localhost:4318, and is %q", u.Redacted())
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return "", fmt.Errorf("the URL of the collector must have no user, query and fragment; a key goes into a header")
	}
	if !strings.HasSuffix(u.Path, "/v1/traces") {
		u = u.JoinPath("v1", "traces")
	}
	return u.String(), nil
}
