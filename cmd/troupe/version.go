package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"troupe/mlx"
)

// version is the release that this source is.
const version = "0.1.0"

type versionCmd struct{}

// Run prints one line.
func (versionCmd) Run(con *console) error {
	_, err := fmt.Fprintf(con.out, "troupe %s (%s), %s, %s\n", version, commit(), arithmetic(), runtime.Version())
	return err
}

// commit names the commit that the binary was built from, as far as the Go tool recorded it.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "commit unknown"
	}
	revision, modified := "", false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	switch {
	case revision == "":
		return "commit unknown"
	case modified:
		return "commit " + revision[:min(12, len(revision))] + " with changes"
	}
	return "commit " + revision[:min(12, len(revision))]
}

// arithmetic says which MLX the binary computes with.
func arithmetic() string {
	if mlx.Available() != nil {
		return "built without MLX"
	}
	return "MLX " + mlx.Version
}
