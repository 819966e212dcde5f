package main

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

var rewrite = flag.Bool("rewrite", false, "write the table of settings in the README anew")

// flagsOfServe are the flags as main builds them.
func flagsOfServe(t testing.TB) []*kong.Flag {
	t.Helper()
	var cmds commands
	parser, err := kong.New(&cmds, kong.PostBuild(serveFromEnvironment))
	require.NoError(t, err)
	flags, err := serveFlags(parser)
	require.NoError(t, err)
	return flags
}

func TestReadmeHasTheSettings(t *testing.T) {
	const readme, begin, end = "../../README.md", "<!-- settings: go generate ./cmd/troupe -->\n", "<!-- end of settings -->\n"
	text, err := os.ReadFile(readme)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok, "the README lacks %q", begin)
	table, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the README lacks %q", end)
	want := settingsTable(flagsOfServe(t))
	if *rewrite {
		require.NoError(t, os.WriteFile(readme, []byte(before+begin+want+end+after), 0o644))
		return
	}
	require.Equal(t, want, table, "the table is stale: go generate ./cmd/troupe")
}

func TestEverySettingHasItsRow(t *testing.T) {
	table := settingsTable(flagsOfServe(t))
	for _, f := range flagsOfServe(t) {
		if f.Name != "help" {
			require.Regexp(t, "(?m)^\\| `"+f.Name+"[ `]", table)
			require.NotEmpty(t, f.Help, f.Name)
		}
	}
	require.Contains(t, table, "| `kv-bits 16\\|8\\|4` | `16` | Bits of a number in the KV pool; fewer hold more agents. |")
}
