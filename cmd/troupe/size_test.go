package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]byteSize{
		"auto": 0, "0": 0, "4096": 4096, "2GiB": 2 << 30, "512MiB": 512 << 20, "1.5 GiB": 3 << 29, "1GB": 1e9, "16k": 16e3,
	} {
		var got byteSize
		require.NoError(t, got.UnmarshalText([]byte(text)), text)
		require.Equal(t, want, got, text)
	}
}

func TestSizesThatMakeNoSense(t *testing.T) {
	for _, text := range []string{"", "-1", "-2GiB", "much", "2GiBs", "NaN", "1e40", "9EiB", "2GiB2"} {
		got := byteSize(7)
		require.ErrorContains(t, got.UnmarshalText([]byte(text)), "write it like 2GiB", text)
		require.Equal(t, byteSize(7), got, text)
	}
}

func TestSizesPrintWithBinaryUnits(t *testing.T) {
	require.Equal(t, "2.0 GiB", byteSize(2<<30).String())
}
