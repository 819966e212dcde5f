package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLogsInBothForms(t *testing.T) {
	for format, want := range map[string]string{
		"text": `level=INFO msg=ready model=starter took=55ms`,
		"json": `"level":"INFO","msg":"ready","model":"starter","took":"55ms"}`,
	} {
		var out bytes.Buffer
		newLogger(&out, format).Info("ready", "model", "starter", "took", 55*time.Millisecond)
		require.Contains(t, out.String(), want)
		require.Equal(t, 1, bytes.Count(out.Bytes(), []byte("\n")))
	}
}
