package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// withConfig writes a file of settings.
func withConfig(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "troupe.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

const someSettings = `
model: /models/m
kv-memory: 3GiB   # scalars are as on the command line
kv-bits: 8
drain: 5s
strict-models: true
cors-origins: [http://a, "http://b"]
max-batch: 8
`

func TestSettingsComeFromAFile(t *testing.T) {
	path := withConfig(t, someSettings)
	want, err := parse(t, "serve")
	require.NoError(t, err)
	want.Serve.Model, want.Serve.KVMemory, want.Serve.KVBits, want.Serve.Drain = "/models/m", 3<<30, 8, 5*time.Second
	want.Serve.StrictModels, want.Serve.CORSOrigins, want.Serve.MaxBatch = true, []string{"http://a", "http://b"}, 8
	want.Serve.Config = configFile(path)

	got, err := parse(t, "serve", "--config", path)
	require.NoError(t, err)
	require.Equal(t, want, got)

	t.Setenv("TROUPE_CONFIG", path)
	got, err = parse(t, "serve")
	require.NoError(t, err)
	require.Equal(t, want, got)
}

func TestFlagsWinOverTheEnvironmentOverTheFile(t *testing.T) {
	path := withConfig(t, someSettings)
	t.Setenv("TROUPE_MAX_BATCH", "9")
	t.Setenv("SEMANTIC_DRAIN", "6s")
	t.Setenv("TROUPE_CORS_ORIGINS", "http://c")
	t.Setenv("TROUPE_KV_BITS", "4")
	got, err := parse(t, "serve", "--config", path, "--kv-bits", "16", "--kv-memory=1GiB")
	require.NoError(t, err)
	require.Equal(t, 9, got.Serve.MaxBatch)
	require.Equal(t, 6*time.Second, got.Serve.Drain)
	require.Equal(t, []string{"http://c"}, got.Serve.CORSOrigins)
	require.Equal(t, 16, got.Serve.KVBits)
	require.Equal(t, byteSize(1<<30), got.Serve.KVMemory)
	require.Equal(t, "/models/m", got.Serve.Model)
}

func TestAFileThatSetsNothing(t *testing.T) {
	want, err := parse(t, "serve")
	require.NoError(t, err)
	for _, text := range []string{"", "# nothing\n", "---\n", "{}", "null"} {
		path := withConfig(t, text)
		want.Serve.Config = configFile(path)
		got, err := parse(t, "serve", "--config", path)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
}

func TestMistakesInTheFileAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"max-bacth: 3":                       `line 1: there is no setting "max-bacth"; did you mean "max-batch"?`,
		"model: m\nkv_memory: 3GiB":          `line 2: there is no setting "kv_memory"; did you mean "kv-memory"?`,
		"colour: red":                        `line 1: there is no setting "colour"`,
		"check: true":                        `there is no setting "check"`,
		"config: other.yaml":                 `there is no setting "config"`,
		"max-batch: 1\nmax-batch: 2":         `line 2: max-batch is set twice`,
		"max-batch:":                         `line 1: max-batch has no value`,
		"max-batch: {a: 1}":                  `line 1: max-batch must be one value or a list of values`,
		"cors-origins: [[a]]":                `line 1: cors-origins must be a list of single values`,
		"\nmax-batch: many":                  `line 2: `,
		"kv-memory: much":                    `"much" is not an amount of memory`,
		"drain: -1s":                         `--drain must not be negative`,
		"log-format: xml":                    `--log-format must be one of`,
		"max-batch: [1, 2]":                  `line 1: `,
		"- max-batch":                        `line 1: settings are written as name: value`,
		"max-batch: 1: 2":                    `yaml: `,
		"a: &a [x]\nb: *a":                   `there is no setting "a"`,
		strings.Repeat("#\n", 1<<19) + "#\n": `is larger than`,
	} {
		path := withConfig(t, text)
		_, err := parse(t, "serve", "--config", path)
		require.ErrorContains(t, err, want)
		if !strings.HasPrefix(want, "--") { // what kong validates at the end
			require.ErrorContains(t, err, path)
		}
	}
	_, err := parse(t, "serve", "--config", "/no/such/file")
	require.ErrorContains(t, err, "/no/such/file")
}

func TestMisspeltVariablesAreErrors(t *testing.T) {
	flags := flagsOfServe(t)
	for name, near := range map[string]string{"TROUPE_MAX_BACTH": "TROUPE_MAX_BATCH", "TROUPE_KVMEMORY": "TROUPE_KV_MEMORY", "TROUPE_DRAINS": "TROUPE_DRAIN"} {
		require.ErrorContains(t, checkEnvironment([]string{"HOME=/", name + "=1"}, flags), name+", which is no setting; did you mean "+near)
	}
	// What Kubernetes makes for a service called troupe, and what is not ours.
	require.NoError(t, checkEnvironment([]string{"TROUPE_SERVICE_HOST=1", "TROUPE_PORT=tcp://", "TROUPE_PORT_8000_TCP_ADDR=1", "TROUPE_MAX_BATCH=1", "SEMANTIC_MAX_BACTH=1", "MAX_BACTH=1"}, flags))

	t.Setenv("TROUPE_MAX_BACTH", "1")
	_, err := parse(t, "serve")
	require.ErrorContains(t, err, "did you mean TROUPE_MAX_BATCH?")
	_, err = parse(t, "version")
	require.NoError(t, err)
}

func FuzzConfigFile(f *testing.F) {
	for _, text := range []string{someSettings, "", "a: &a [*a]", "{}", "max-batch: {a: 1}", "? - x\n: y", "<<: {max-batch: 1}", "cors-origins: [a, null]", "model: !!binary aGk="} {
		f.Add([]byte(text))
	}
	flags := flagsOfServe(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		values, err := parseConfig(text, flags)
		if err != nil {
			return
		}
		c := &config{path: "fuzz", values: values}
		for _, flag := range flags {
			if _, err := c.Resolve(nil, nil, flag); err != nil && values[flag.Name] == nil {
				t.Fatalf("%s is not in the file: %v", flag.Name, err)
			}
		}
	})
}
