package main

import (
	"io"
	"log/slog"
)

// newLogger writes one line per record to w, as key=value text or as JSON. Durations are text with a unit in both.
func newLogger(w io.Writer, format string) *slog.Logger {
	if format != "json" {
		return slog.New(slog.NewTextHandler(w, nil))
	}
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Value.Kind() == slog.KindDuration {
			a.Value = slog.StringValue(a.Value.Duration().String())
		}
		return a
	}}))
}
