package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"troupe/mlx/engine"
)

// path is a way to compute.
type path struct {
	name string
	engine.Options
}

// paths lists the ways, the reference first.
func paths(isa string) []path {
	all := []path{{"MLX operations, float32", engine.Options{Reference: true}}}
	for _, activations := range []engine.Activations{engine.Float32, engine.Int8} {
		for _, bits := range []int{16, 8, 4} {
			name := fmt.Sprintf("kernels, activations %s, KV of %d bits", activations, bits)
			all = append(all, path{name, engine.Options{ISA: isa, Activations: activations, KVBits: bits}})
		}
	}
	return all
}

const line = "  %-46s %10.4f %12.3g %12.2f %%\n"

// report computes one model in every way.
func report(ctx context.Context, w io.Writer, dir string, o options) error {
	folder, err := engine.ReadFolder(os.DirFS(dir), filepath.Base(dir))
	if err != nil {
		return err
	}
	texts, err := readText(ctx, folder.Model, o.text, o.conversations, o.tokens)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n%s: %d conversations, %d tokens of each\n", dir, len(texts), len(texts[0]))
	fmt.Fprintf(w, "  %-46s %10s %12s %14s\n", "", "perplexity", "relative RMS", "another best")
	var reference logits
	for _, p := range paths(o.isa) {
		l, err := compute(folder, p.Options, texts)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		if reference == nil {
			reference = l
		}
		rms, turned := l.distance(reference)
		fmt.Fprintf(w, line, p.name, l.perplexity(texts), rms, 100*turned)
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	if o.python == "" {
		return nil
	}
	return yardstick(ctx, w, dir, texts, o)
}
