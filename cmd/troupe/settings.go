package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

//go:generate go test -tags nomlx -run TestReadmeHasTheSettings . -rewrite

// settingsTable is the README's table of the flags of serve, made from the flags themselves.
func settingsTable(flags []*kong.Flag) string {
	var b strings.Builder
	b.WriteString("| setting | default | what it does |\n| --- | --- | --- |\n")
	for _, f := range flags {
		if f.Name == "help" {
			continue
		}
		name := f.Name
		if value := f.FormatPlaceHolder(); !f.IsBool() {
			name += " " + value
		}
		def := ""
		if f.HasDefault {
			def = "`" + f.Default + "`"
		}
		// The text of --help has the default at its end.
		help := strings.Replace(f.Help, " ("+f.Default+").", ".", 1)
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", strings.ReplaceAll(name, "|", `\|`), def, strings.ReplaceAll(help, "|", `\|`))
	}
	return b.String()
}
