package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
)

//go:embed bf16.py
var script string

// yardstick computes a part of the texts with mlx-lm in float32 and in bfloat16, which takes it long.
func yardstick(ctx context.Context, w io.Writer, dir string, texts [][]int32, o options) error {
	const conversations, tokens = 6, 192
	var some [][]int32
	for _, t := range texts[:min(conversations, len(texts))] {
		some = append(some, t[:min(tokens, len(t))])
	}
	in, err := json.Marshal(map[string]any{"folder": dir, "texts": some})
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, o.python, "-c", script)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%s: %w", o.python, err)
	}
	var rows []struct {
		Name                     string
		Perplexity, RMS, Another float64
	}
	if err := json.Unmarshal(out, &rows); err != nil {
		return fmt.Errorf("%s: %w", o.python, err)
	}
	fmt.Fprintf(w, "  the yardstick, on %d conversations, %d tokens of each\n", len(some), len(some[0]))
	for _, r := range rows {
		fmt.Fprintf(w, line, r.Name, r.Perplexity, r.RMS, 100*r.Another)
	}
	return nil
}
