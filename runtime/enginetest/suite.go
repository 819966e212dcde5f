package enginetest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// Run checks that an engine keeps the contract of [runtime.Engine]. open is called once for each check; it must return engines that compute alike, with
// at least 32 blocks, a context of at least 5 blocks and a vocabulary of at least 16.
func Run(t *testing.T, open func(t *testing.T) runtime.Engine) {
	for _, check := range []struct {
		name string
		run  func(*rig)
	}{
		{"results have the shape that was asked for", (*rig).shapes},
		{"chunks and single tokens give what one prefill gives", (*rig).chunks},
		{"a row does not depend on the rows beside it", (*rig).batched},
		{"which blocks a row has does not matter", (*rig).permuted},
		{"positions can be written again", (*rig).rewritten},
		{"a bad row is refused and harms nobody", (*rig).refused},
		{"a block that was read and written elsewhere is the same", (*rig).moved},
	} {
		t.Run(check.name, func(t *testing.T) {
			e := open(t)
			defer func() { require.NoError(t, e.Close()) }()
			check.run(&rig{T: t, e: e, info: e.Info(), rng: rand.New(rand.NewPCG(1, 2))})
		})
	}
}

type rig struct {
	*testing.T
	e    runtime.Engine
	info runtime.EngineInfo
	rng  *rand.Rand
}

// prompt returns n tokens, the same for the same n.
func (r *rig) prompt(n int) []int32 {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	out := make([]int32, n)
	for i := range out {
		out[i] = rng.Int32N(int32(r.info.Vocab))
	}
	return out
}

// blocks returns n block ids from first on.
func blocks(first, n int) []runtime.BlockID {
	out := make([]runtime.BlockID, n)
	for i := range out {
		out[i] = runtime.BlockID(first + i)
	}
	return out
}

func (r *rig) step(rows ...runtime.Row) []runtime.Result {
	r.Helper()
	out, err := r.e.Step(rows)
	require.NoError(r, err)
	require.Len(r, out, len(rows))
	return out
}

// greedy prefills a prompt in chunks and returns the n tokens that follow, one step each.
func (r *rig) greedy(table []runtime.BlockID, prompt []int32, chunk, n int) []int32 {
	r.Helper()
	var out []int32
	for at := 0; at < len(prompt); at += chunk {
		end := min(at+chunk, len(prompt))
		row := runtime.Row{Blocks: table, Start: at, Tokens: prompt[at:end]}
		if end == len(prompt) {
			row.Want = 1
		}
		res := r.step(row)
		if end == len(prompt) {
			out = append(out, res[0].Top[0].ID)
		}
	}
	for len(out) < n {
		res := r.step(runtime.Row{Blocks: table, Start: len(prompt) + len(out) - 1, Tokens: out[len(out)-1:], Want: 1})
		out = append(out, res[0].Top[0].ID)
	}
	return out
}

func (r *rig) shapes() {
	prompt := r.prompt(5)
	res := r.step(
		runtime.Row{Blocks: blocks(0, 1), Tokens: prompt},
		runtime.Row{Blocks: blocks(1, 1), Tokens: prompt, Want: 4},
		runtime.Row{Blocks: blocks(2, 1), Tokens: prompt, Want: runtime.WantAll},
		runtime.Row{Blocks: blocks(3, 1), Tokens: prompt, Want: 10 * r.info.Vocab},
	)
	require.Empty(r, res[0].Top)
	require.Empty(r, res[0].Logits)
	require.Len(r, res[2].Logits, r.info.Vocab)
	require.Equal(r, runtime.TopOf(res[2].Logits, 4), res[1].Top)
	require.Equal(r, runtime.TopOf(res[2].Logits, r.info.Vocab), res[3].Top)
	for _, x := range res[1:] {
		require.InDelta(r, runtime.LogSumExp(res[2].Logits), x.LogSumExp, 1e-3)
	}
}

func (r *rig) chunks() {
	n := 3*r.info.BlockTokens + 2
	prompt := r.prompt(n)
	want := r.greedy(blocks(0, 5), prompt, n, 6)
	for _, chunk := range []int{1, r.info.BlockTokens - 1, r.info.BlockTokens, r.info.BlockTokens + 3} {
		require.Equal(r, want, r.greedy(blocks(8, 5), prompt, chunk, 6), "chunks of %d", chunk)
	}
}

func (r *rig) batched() {
	lengths := []int{3, r.info.BlockTokens, 2*r.info.BlockTokens + 1, 7}
	var want [][]int32
	for _, n := range lengths {
		want = append(want, r.greedy(blocks(0, 4), r.prompt(n), n, 5))
	}
	got := make([][]int32, len(lengths))
	// Row i joins at step i, so that prefills and decodes share steps.
	for step := 0; slices.ContainsFunc(got, func(g []int32) bool { return len(g) < 5 }); step++ {
		var rows []runtime.Row
		var who []int
		for i, n := range lengths {
			table := blocks(4*i, 4)
			switch {
			case step < i || len(got[i]) == 5:
				continue
			case len(got[i]) == 0:
				rows = append(rows, runtime.Row{Blocks: table, Tokens: r.prompt(n), Want: 1})
			default:
				rows = append(rows, runtime.Row{Blocks: table, Start: n + len(got[i]) - 1, Tokens: got[i][len(got[i])-1:], Want: 1})
			}
			who = append(who, i)
		}
		for at, res := range r.step(rows...) {
			got[who[at]] = append(got[who[at]], res.Top[0].ID)
		}
	}
	require.Equal(r, want, got)
}

func (r *rig) permuted() {
	prompt := r.prompt(3*r.info.BlockTokens + 1)
	want := r.greedy(blocks(0, 4), prompt, len(prompt), 5)
	for range 3 {
		table := blocks(0, r.info.Blocks)
		r.rng.Shuffle(len(table), func(i, j int) { table[i], table[j] = table[j], table[i] })
		require.Equal(r, want, r.greedy(table[:5], prompt, len(prompt), 5), "blocks %v", table[:5])
	}
}

func (r *rig) rewritten() {
	table := blocks(0, 4)
	n := 2 * r.info.BlockTokens
	prompt := r.prompt(n)
	want := r.greedy(table, prompt, n, 4)
	other := append(slices.Clone(prompt[:n-3]), r.prompt(9)...)
	r.greedy(table, other, len(other), 4)
	// Everything before position n-3 is still that of the first prompt.
	res := r.step(runtime.Row{Blocks: table, Start: n - 3, Tokens: prompt[n-3:], Want: 1})
	require.Equal(r, want[0], res[0].Top[0].ID)
}

func (r *rig) refused() {
	table := blocks(0, 2)
	prompt := r.prompt(r.info.BlockTokens + 1)
	want := r.greedy(table, prompt, len(prompt), 2)
	good := runtime.Row{Blocks: table, Start: len(prompt), Tokens: want[:1], Want: 1}
	for name, bad := range map[string]runtime.Row{
		"no tokens":            {Blocks: blocks(8, 1)},
		"negative start":       {Blocks: blocks(8, 1), Start: -1, Tokens: prompt[:1]},
		"beyond the blocks":    {Blocks: blocks(8, 1), Tokens: prompt},
		"beyond the context":   {Blocks: blocks(8, 1), Start: r.info.Context, Tokens: prompt[:1]},
		"far beyond":           {Blocks: blocks(8, 1), Start: math.MaxInt, Tokens: prompt[:1]},
		"negative token":       {Blocks: blocks(8, 1), Tokens: []int32{-1}},
		"unknown token":        {Blocks: blocks(8, 1), Tokens: []int32{int32(r.info.Vocab)}},
		"negative block":       {Blocks: []runtime.BlockID{-1}, Tokens: prompt[:1]},
		"unknown block":        {Blocks: []runtime.BlockID{runtime.BlockID(r.info.Blocks)}, Tokens: prompt[:1]},
		"block of another row": {Blocks: table[1:], Tokens: prompt[:1]},
		"senseless want":       {Blocks: blocks(8, 1), Tokens: prompt[:1], Want: -2},
	} {
		_, err := r.e.Step([]runtime.Row{good, bad})
		require.Error(r, err, name)
	}
	require.Equal(r, want[1], r.step(good)[0].Top[0].ID, "the good row, stepped again alone")
}

// moved copies the blocks of a conversation to others, over what those held, and goes on there.
func (r *rig) moved() {
	prompt := r.prompt(2*r.info.BlockTokens + 3)
	want := r.greedy(blocks(0, 4), prompt, len(prompt), 5)
	r.greedy(blocks(8, 4), r.prompt(4*r.info.BlockTokens-6), r.info.BlockTokens, 2)
	r.greedy(blocks(0, 4), prompt, len(prompt), 1)
	data := make([]byte, r.info.BlockBytes)
	for i := range 3 {
		require.NoError(r, r.e.ReadBlock(runtime.BlockID(i), data))
		require.NoError(r, r.e.WriteBlock(runtime.BlockID(11-i), data))
	}
	got := want[:1:1]
	for len(got) < len(want) {
		row := runtime.Row{Blocks: []runtime.BlockID{11, 10, 9, 8}, Start: len(prompt) + len(got) - 1, Tokens: got[len(got)-1:], Want: 1}
		got = append(got, r.step(row)[0].Top[0].ID)
	}
	require.Equal(r, want, got)

	require.Error(r, r.e.ReadBlock(runtime.BlockID(r.info.Blocks), data))
	require.Error(r, r.e.WriteBlock(-1, data))
	require.Error(r, r.e.ReadBlock(0, data[1:]))
	size := 0
	for _, t := range r.info.Tensors {
		n := map[string]int{"I32": 4, "F16": 2, "BF16": 2, "F32": 4, "U32": 4, "U8": 1}[t.DType]
		for _, d := range t.Shape {
			n *= d
		}
		size += n
	}
	require.EqualValues(r, r.info.BlockBytes, size, "the tensors of a block add up")
}
