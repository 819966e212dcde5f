package main

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"

	"troupe/mlx/engine"
)

type modelsCmd struct {
	Check   modelsCheckCmd   `cmd:"" help:"Validate a model folder; print what it is and what it takes in memory."`
	List    modelsListCmd    `cmd:"" help:"List the models that a running server may serve; it needs the admin key, like all below."`
	Swap    modelsSwapCmd    `cmd:"" help:"Replace the model of a running server."`
	Offload modelsOffloadCmd `cmd:"" help:"Take the model of a running server out of memory."`
	Load    modelsLoadCmd    `cmd:"" help:"Load a model where none is in memory."`
	Cancel  modelsCancelCmd  `cmd:"" help:"Cancel a swap that runs."`
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
	t, unfit := c.fit(folder)
	return errors.Join(writeTable(con.out, append(describe(folder), takes(t)...)), unfit)
}

// writeTable writes rows of a name and a value.
func writeTable(out io.Writer, rows [][2]string) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
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

// exampleAgent is how many tokens an agent of the plan has.
const exampleAgent = 2048

// takes says what serving a model takes in memory.
func takes(t fitting) [][2]string {
	size := func(n int64) string { return humanize.IBytes(uint64(n)) }
	p := t.plan
	kernels := "yes"
	if p.Uncovered != "" {
		kernels = "no, MLX's operations: " + p.Uncovered
	}
	rows := [][2]string{
		{"kernels on the CPU", kernels},
		{"weights", fmt.Sprintf("%s in files, %s in memory on the CPU", size(p.Files), size(p.Weights))},
		{"KV per token", fmt.Sprintf("%s in %d bits", size(p.KVPerToken), p.KVBits)},
		{"KV pool", fmt.Sprintf("%s: %s blocks of %d tokens", size(p.PoolBytes), humanize.Comma(int64(p.Blocks)), p.BlockTokens)},
		{"agents in the pool", fmt.Sprintf("%s tokens in all: %s agents of %s tokens, or %s that fill the context", humanize.Comma(int64(p.Blocks)*int64(p.BlockTokens)),
			humanize.Comma(int64(p.Blocks/blocksOf(exampleAgent, p.BlockTokens))), humanize.Comma(exampleAgent), humanize.Comma(int64(p.Blocks/p.ContextBlocks)))},
	}
	if t.limit == 0 {
		return append(rows, [2]string{"memory", "unknown on this machine"})
	}
	return append(rows, [2]string{"memory", fmt.Sprintf("%s; %s are set aside for the rest, %s are left", size(t.limit), size(t.working), size(max(t.left(), 0)))})
}

// blocksOf is how many blocks an agent of so many tokens has.
func blocksOf(tokens, blockTokens int) int { return (tokens + blockTokens - 1) / blockTokens }
