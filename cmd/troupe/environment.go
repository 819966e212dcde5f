package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// prefixes returns those of the environment variables that set flags of serve. The first that is set wins; a flag on the command line wins over both.
// SEMANTIC is the prefix of Troupe's predecessor, whose users keep their variables.
func prefixes() []string { return []string{"TROUPE_", "SEMANTIC_"} }

// serveFromEnvironment lets every flag of serve be set by the environment: --kv-memory by TROUPE_KV_MEMORY or SEMANTIC_KV_MEMORY.
func serveFromEnvironment(k *kong.Kong) error {
	for _, cmd := range k.Model.Children {
		if cmd.Name != "serve" {
			continue
		}
		for _, flag := range cmd.Flags {
			name := strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_"))
			for _, prefix := range prefixes() {
				flag.Envs = append(flag.Envs, prefix+name)
			}
			flag.Tag.Envs = flag.Envs
		}
		return nil
	}
	return fmt.Errorf("there is no serve command")
}
