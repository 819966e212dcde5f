package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"regexp"
	"strings"
	"time"

	"troupe/http"
	"troupe/http/otlp"
)

// lastSpans bounds how long the end of the process waits for the collector of traces.
const lastSpans = 5 * time.Second

// traceFlags say where traces go. Of the two variables of the environment that OpenTelemetry has for them, ours win.
type traceFlags struct {
	OTLPEndpoint string   `name:"otlp-endpoint" env:"OTEL_EXPORTER_OTLP_ENDPOINT" placeholder:"URL" help:"OpenTelemetry collector that traces are sent to, as OTLP over HTTP with protobuf, like http://localhost:4318; none by default."`
	OTLPHeaders  []secret `name:"otlp-headers" env:"OTEL_EXPORTER_OTLP_HEADERS" placeholder:"NAME=VALUE" help:"Headers of what is sent to the collector, like its key."`
}

// What a header can be: what comes of ours is printable.
var (
	headerName  = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)
	headerValue = regexp.MustCompile(`^[ -~]*$`)
)

// exporter returns the settings of the exporter, and whether there should be one.
func (f *traceFlags) exporter(log *slog.Logger) (cfg otlp.Config, on bool, err error) {
	if f.OTLPEndpoint == "" {
		return cfg, false, nil
	}
	if _, err := otlp.Target(f.OTLPEndpoint); err != nil {
		return cfg, false, fmt.Errorf("--otlp-endpoint: %w", err)
	}
	cfg = otlp.Config{Endpoint: f.OTLPEndpoint, Version: version, Logger: log, Headers: map[string]string{}}
	for _, h := range f.OTLPHeaders {
		name, value, ok := strings.Cut(string(h), "=")
		value, bad := url.PathUnescape(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); !ok || bad != nil || !headerName.MatchString(name) || !headerValue.MatchString(value) {
			return cfg, false, errors.New("--otlp-headers: a header is written as NAME=VALUE")
		}
		cfg.Headers[name] = value
	}
	return cfg, true, nil
}

// trace has the requests traced, if that is wanted. What it returns must be called after the last request, and the last save.
func (f *traceFlags) trace(cfg *http.Config, log *slog.Logger) (end func(), err error) {
	to, on, err := f.exporter(log)
	if !on {
		return func() {}, err
	}
	exporter, err := otlp.Start(to)
	if err != nil {
		return nil, err
	}
	cfg.Tracer = exporter.Tracer()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), lastSpans)
		defer cancel()
		if err := exporter.Shutdown(ctx); err != nil {
			log.Warn("the last traces are lost", "error", err)
		}
	}, nil
}
