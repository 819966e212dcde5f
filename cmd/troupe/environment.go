package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// prefixes returns those of the environment variables that set flags of serve. The first that is set wins; a flag on the command line wins over both.
// SEMANTIC is the prefix of Troupe's predecessor, whose users keep their variables.
func prefixes() []string { return []string{"TROUPE_", "SEMANTIC_"} }

// serveFromEnvironment lets every flag of serve be set by the environment: --kv-memory by TROUPE_KV_MEMORY or SEMANTIC_KV_MEMORY.
func serveFromEnvironment(k *kong.Kong) error {
	flags, err := serveFlags(k)
	if err != nil {
		return err
	}
	for _, flag := range flags {
		var names []string
		for _, prefix := range prefixes() {
			names = append(names, prefix+variable(flag.Name))
		}
		flag.Envs = append(names, flag.Envs...) // those that others have for the same come last
		flag.Tag.Envs = flag.Envs
	}
	return nil
}

// serveFlags returns the flags of serve.
func serveFlags(k *kong.Kong) ([]*kong.Flag, error) {
	for _, cmd := range k.Model.Children {
		if cmd.Name == "serve" {
			return cmd.Flags, nil
		}
	}
	return nil, fmt.Errorf("there is no serve command")
}

// variable is the name of a flag in the environment, without a prefix.
func variable(flag string) string { return strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) }

// fromEnvironment reports whether a flag is set by the environment.
func fromEnvironment(flag *kong.Flag) bool {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return true
		}
	}
	return false
}

// checkEnvironment refuses variables that look like a misspelt setting. Others with the prefix are left alone: Kubernetes makes some for a service that is
// called troupe.
func checkEnvironment(environ []string, flags []*kong.Flag) error {
	var names []string
	for _, flag := range flags {
		names = append(names, variable(flag.Name))
	}
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		name, ours := strings.CutPrefix(name, "TROUPE_")
		if near := nearest(name, names); ours && near != "" && near != name {
			return fmt.Errorf("the environment has TROUPE_%s, which is no setting; did you mean TROUPE_%s?", name, near)
		}
	}
	return nil
}
