package main

import (
	"io"
	"log/slog"
)

// newLogger writes one line per record to w, as logfmt-like text or as JSON.
func newLogger(w io.Writer, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(w, nil))
	}
	return slog.New(slog.NewTextHandler(w, nil))
}
