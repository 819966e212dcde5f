package main

import (
	"fmt"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"troupe/mlx/engine"
)

type modelsCmd struct {
	Check modelsCheckCmd `cmd:"" help:"Validate a model folder; print what it is and what it takes in memory."`
}

type modelsCheckCmd struct {
	Dir string `arg:"" default:"starter" help:"Model folder, or 'starter'."`
	engineFlags
}

// Run reads everything in the folder but the contents of the weights, so it takes a moment however large the model is.
func (c *modelsCheckCmd) Run(con *console) error {
	folder, err := modelFlag{c.Dir}.open()
	if err != nil {
		return err
	}
	plan := folder.MemoryPlan(c.options())
	w := tabwriter.NewWriter(con.out, 0, 0, 2, ' ', 0)
	for _, row := range append(describe(folder), takes(plan)...) {
		fmt.Fprintf(w, "%s\t%s\n", row[0], row[1])
	}
	return w.Flush()
}

// describe says what a model is.
func describe(f *engine.Folder) [][2]string {
	s, a := f.Spec, f.Spec.Layers[0].Attention
	template := "yes"
	if f.Model.Template == nil {
		template = "no: the chat endpoints will refuse"
	}
	return [][2]string{
		{"model", f.Name},
		{"family", s.Family},
		{"layers", fmt.Sprint(len(s.Layers))},
		{"width", fmt.Sprintf("%d, MLP %d", s.Hidden, s.Layers[0].MLP.Hidden)},
		{"attention", fmt.Sprintf("%d heads, %d KV heads of %d", a.Heads, a.KVHeads, a.HeadDim)},
		{"vocabulary", humanize.Comma(int64(s.Vocab))},
		{"context", humanize.Comma(int64(s.MaxPositions)) + " tokens"},
		{"files", fmt.Sprintf("%d with %d tensors", len(f.Index.Files), len(f.Index.Tensors))},
		{"chat template", template},
		{"stop tokens", fmt.Sprint(f.Model.StopIDs)},
	}
}

// takes says what serving a model takes in memory.
func takes(p engine.Plan) [][2]string {
	size := func(n int64) string { return humanize.IBytes(uint64(n)) }
	kernels := "yes"
	if p.Uncovered != "" {
		kernels = "no, MLX's operations: " + p.Uncovered
	}
	return [][2]string{
		{"kernels on the CPU", kernels},
		{"weights", fmt.Sprintf("%s in files, %s in memory on the CPU", size(p.Files), size(p.Weights))},
		{"KV per token", fmt.Sprintf("%s in %d bits", size(p.KVPerToken), p.KVBits)},
		{"KV pool", fmt.Sprintf("%s: %s blocks of %d tokens", size(p.PoolBytes), humanize.Comma(int64(p.Blocks)), p.BlockTokens)},
		{"agents in the pool", fmt.Sprintf("%s tokens in all, or %d agents that fill the context", humanize.Comma(int64(p.Blocks)*int64(p.BlockTokens)), p.Blocks/p.ContextBlocks)},
	}
}
