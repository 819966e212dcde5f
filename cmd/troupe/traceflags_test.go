package main

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTracesAreOffByDefault(t *testing.T) {
	_, on, err := (&traceFlags{OTLPHeaders: []secret{"nonsense"}}).exporter(nil)
	require.NoError(t, err)
	require.False(t, on)
}

func TestTraceSettings(t *testing.T) {
	f := traceFlags{OTLPEndpoint: "http://c:4318", OTLPHeaders: []secret{"authorization=Basic%20abc=", " x-key = k "}}
	cfg, on, err := f.exporter(nil)
	require.NoError(t, err)
	require.True(t, on)
	require.Equal(t, "http://c:4318", cfg.Endpoint)
	require.Equal(t, map[string]string{"authorization": "Basic abc=", "x-key": "k"}, cfg.Headers)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", f, f, f), "abc")

	for _, bad := range []traceFlags{
		{OTLPEndpoint: "c:4318"},
		{OTLPEndpoint: "http://c:4318", OTLPHeaders: []secret{"sesame"}},
		{OTLPEndpoint: "http://c:4318", OTLPHeaders: []secret{"=sesame"}},
		{OTLPEndpoint: "http://c:4318", OTLPHeaders: []secret{"a b=sesame"}},
		{OTLPEndpoint: "http://c:4318", OTLPHeaders: []secret{"a=sesame%0d%0aevil:x"}},
		{OTLPEndpoint: "http://c:4318", OTLPHeaders: []secret{"a=sesame%zz"}},
	} {
		_, _, err := bad.exporter(nil)
		require.ErrorContains(t, err, "--otlp-")
		require.NotContains(t, err.Error(), "sesame")
	}
}

// OpenTelemetry's own variables count too, after ours.
func TestTheCollectorComesFromOpenTelemetrysVariables(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://standard:4318")
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "a=b,c=d")
	cmds, err := parse(t, "serve", "--config", withConfig(t, "otlp-endpoint: http://file:4318\n"))
	require.NoError(t, err)
	require.Equal(t, traceFlags{OTLPEndpoint: "http://standard:4318", OTLPHeaders: []secret{"a=b", "c=d"}}, cmds.Serve.traceFlags)
	t.Setenv("TROUPE_OTLP_ENDPOINT", "http://ours:4318")
	cmds, err = parse(t, "serve")
	require.NoError(t, err)
	require.Equal(t, "http://ours:4318", cmds.Serve.OTLPEndpoint)
}
