package main

import (
	"errors"
	"math"
	"slices"

	"troupe/mlx/engine"
	"troupe/runtime"
)

// logits are those after every token of some texts but the last: [text][position][vocabulary].
type logits [][][]float32

// compute runs the texts side by side, a token of each in a step, as agents that decode.
func compute(folder *engine.Folder, o engine.Options, texts [][]int32) (all logits, failed error) {
	o.BlockTokens = engine.DefaultBlockTokens
	perText := (len(texts[0]) + o.BlockTokens - 1) / o.BlockTokens
	o.Blocks = perText * len(texts)
	eng, err := engine.New(folder, o)
	if err != nil {
		return nil, err
	}
	defer func() { failed = errors.Join(failed, eng.Close()) }()
	all = make(logits, len(texts))
	rows := make([]runtime.Row, len(texts))
	for i := range rows {
		rows[i].Want = runtime.WantAll
		for b := range perText {
			rows[i].Blocks = append(rows[i].Blocks, runtime.BlockID(i*perText+b))
		}
	}
	for at := range len(texts[0]) - 1 {
		for i := range rows {
			rows[i].Start, rows[i].Tokens = at, texts[i][at:at+1]
		}
		results, err := eng.Step(rows)
		if err != nil {
			return nil, err
		}
		for i, r := range results {
			all[i] = append(all[i], slices.Clone(r.Logits))
		}
	}
	return all, nil
}

// perplexity is exp of the mean of -log p over the tokens of the texts but the first.
func (l logits) perplexity(texts [][]int32) float64 {
	sum, n := 0.0, 0
	for i, text := range l {
		for at, row := range text {
			sum += logSumExp(row) - float64(row[texts[i][at+1]])
			n++
		}
	}
	return math.Exp(sum / float64(n))
}

func logSumExp(row []float32) float64 {
	top, sum := float64(slices.Max(row)), 0.0
	for _, v := range row {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum)
}

// distance is how far logits are from others: the root of the mean square of the differences, relative to that of the others, and the share of
// the positions at which the best token is another one.
func (l logits) distance(from logits) (rms, turned float64) {
	var off, size float64
	different, n := 0, 0
	for i, text := range l {
		for at, row := range text {
			other := from[i][at]
			for j, v := range row {
				d, o := float64(v)-float64(other[j]), float64(other[j])
				off += d * d
				size += o * o
			}
			if best(row) != best(other) {
				different++
			}
			n++
		}
	}
	return math.Sqrt(off / size), float64(different) / float64(n)
}

func best(row []float32) int {
	at := 0
	for i, v := range row {
		if v > row[at] {
			at = i
		}
	}
	return at
}
