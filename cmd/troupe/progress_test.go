package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestProgressWritesALineNowAndThen(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(0, 0)
	show := progressLines(&out, "tiny", func() time.Time { return now })
	for i := range int64(10) {
		show(i<<20, 10<<20)
		now = now.Add(700 * time.Millisecond)
	}
	require.Equal(t, "loading tiny: 3.0 MiB of 10 MiB (30 %)\nloading tiny: 6.0 MiB of 10 MiB (60 %)\nloading tiny: 9.0 MiB of 10 MiB (90 %)\n", out.String())
}

func TestProgressOfAFastModelIsSilent(t *testing.T) {
	var out bytes.Buffer
	show := loadProgress(&out, "tiny")
	show(0, 0)
	show(1, 1)
	require.Empty(t, out.String())
}
