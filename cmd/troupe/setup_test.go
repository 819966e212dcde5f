package main

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/mlx"
)

const tinyDir = "../../mlx/engine/testdata/parity/llama-f32"

func TestCheckPrintsThePlanAndServesNothing(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, busy.Close()) }()
	data := filepath.Join(t.TempDir(), "data")
	status, out, errors := try("", "serve", "--check", "--model", tinyDir, "--data", data, "--listen", busy.Addr().String(),
		"--kv-memory", "1MiB", "--memory-limit", "1GiB", "--block-tokens", "16")
	for _, line := range []string{
		`model +llama-f32`,
		`weights +.* in memory on the CPU`,
		`KV pool +1022 KiB: 292 blocks of 16 tokens`,
		`agents in the pool +4,672 tokens in all: 2 agents of 2,048 tokens, or 9 that fill the context`,
		`memory +1.0 GiB; 128 MiB are set aside for the rest, 895 MiB are left`,
		`listen +http://127.0.0.1:`,
		`data +` + data + ` \(will be made\)`,
	} {
		require.Regexp(t, `(?m)^`+line, out)
	}
	require.NoDirExists(t, data)
	if err := mlx.Available(); err != nil {
		require.Equal(t, exitFailed, status, "it could not serve")
		require.Contains(t, errors, err.Error())
		return
	}
	require.Equal(t, 0, status, errors)
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for _, c := range []struct{ flag, value, want string }{
		{"--model", "/no/such/model", "cannot open the model folder"},
		{"--listen", "nowhere", "--listen"},
		{"--listen", "0.0.0.0:1", "there is no API key"},
		{"--api-key", "with a space", "API key 1"},
		{"--tls-cert", file, "--tls-key"},
		{"--api-key-file", "/no/such/file", "--api-key-file"},
		{"--stuck-after", "0s", "--stuck-after"},
		{"--otlp-endpoint", "localhost:4317", "--otlp-endpoint"},
		{"--data", file, "is not a folder"},
		{"--data", filepath.Join(file, "data"), "data folder"},
		{"--data-key", "/no/such/file", "--data-key"},
		{"--memory-limit", "1", "does not fit"},
		{"--kv-memory", "1000TiB", "--kv-memory"},
	} {
		args := []string{"serve", "--check", "--model", tinyDir, "--data", t.TempDir()}
		status, _, errors := try("", append(args, c.flag, c.value)...)
		require.Equal(t, exitFailed, status, c.value)
		require.Contains(t, errors, c.want)
	}
}
