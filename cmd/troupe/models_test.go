package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// command runs a command line and returns what it printed. It must succeed.
func command(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	status, out, errors := try(stdin, args...)
	require.Equal(t, 0, status, errors)
	require.Empty(t, errors)
	return out
}

func try(stdin string, args ...string) (status int, out, errors string) {
	var o, e bytes.Buffer
	status = run(args, &console{in: strings.NewReader(stdin), out: &o, err: &e})
	return status, o.String(), e.String()
}

func TestModelsCheckPrintsWhatTheModelTakes(t *testing.T) {
	out := command(t, "", "models", "check", "../../mlx/engine/testdata/parity/llama-f32", "--kv-memory", "1MiB", "--block-tokens", "16")
	for _, line := range []string{
		`model +llama-f32`,
		`family +llama`,
		`layers +2`,
		`attention +4 heads, 2 KV heads of 12`,
		`context +512 tokens`,
		`chat template +no: the chat endpoints will refuse`,
		`kernels on the CPU +yes`,
		`KV per token +224 B in 16 bits`, // heads of 12 take the room of 16
		`KV pool +1022 KiB: 292 blocks of 16 tokens`,
		`agents in the pool +4,672 tokens in all: 2 agents of 2,048 tokens, or 9 that fill the context`,
	} {
		require.Regexp(t, `(?m)^`+line, out)
	}
}

func TestModelsCheckSaysWhatIsWrong(t *testing.T) {
	empty := t.TempDir()
	file := filepath.Join(empty, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	for dir, want := range map[string]string{
		empty:                                "config.json is missing",
		file:                                 "is not a folder",
		filepath.Join(empty, "not", "there"): "cannot open the model folder",
	} {
		status, out, errors := try("", "models", "check", dir)
		require.Equal(t, exitFailed, status)
		require.Empty(t, out)
		require.Contains(t, errors, want)
	}
}

func TestTokenizeIsTheInverseOfTheModelsText(t *testing.T) {
	var ids []int32
	require.NoError(t, json.Unmarshal([]byte(command(t, "Troupe plays.", "tokenize")), &ids))
	folder, err := modelFlag{starterName}.open()
	require.NoError(t, err)
	require.Equal(t, "Troupe plays.", folder.Model.Tokenizer.Decode(ids, false))
	require.Equal(t, "[]\n", command(t, "", "tokenize"))

	status, _, errors := try("\xff", "tokenize")
	require.Equal(t, exitFailed, status)
	require.Contains(t, errors, "not valid UTF-8")
}

func TestRenderPrintsThePromptToTheByte(t *testing.T) {
	prompt := command(t, `{"messages":[{"role":"user","content":"Who are you?"}]}`, "render")
	require.Contains(t, prompt, "Who are you?")
	var ids []int32
	require.NoError(t, json.Unmarshal([]byte(command(t, prompt, "tokenize")), &ids))
	folder, err := modelFlag{starterName}.open()
	require.NoError(t, err)
	require.Equal(t, prompt, folder.Model.Tokenizer.Decode(ids, false))

	for body, want := range map[string]string{`{`: "not valid JSON", `{"messages":[]}`: "messages", "": "empty"} {
		status, out, errors := try(body, "render")
		require.Equal(t, exitFailed, status)
		require.Empty(t, out)
		require.Contains(t, errors, want)
	}
}

func TestVersionIsOneLine(t *testing.T) {
	require.Regexp(t, `^troupe \d+\.\d+\.\d+ \(commit .+\), (MLX \d+\.\d+\.\d+|built without MLX), go1\.\S+\n$`, command(t, "", "version"))
}

func TestUsageErrorsHaveTheirOwnStatus(t *testing.T) {
	status, out, errors := try("", "dance")
	require.Equal(t, exitUsage, status)
	require.Empty(t, out)
	require.Contains(t, errors, "dance")
}
