package runtime_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

func TestChainContinues(t *testing.T) {
	tokens := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9}
	all := runtime.Chain("tag", "", 2, tokens, nil)
	require.Len(t, all, 4)
	require.Equal(t, runtime.NextKey("tag", all[2], []int32{7, 8}), all[3])
	for n := range 5 {
		require.Equal(t, all, runtime.Chain("tag", "", 2, tokens, all[:n]))
	}
	require.Equal(t, all[:2], runtime.Chain("tag", "", 2, tokens[:5], all))
	require.Empty(t, runtime.Chain("tag", "", 2, tokens[:1], nil))
}

// Whatever was said before, a match names blocks that hold exactly the first positions of the prompt.
func TestAMatchHoldsThePrompt(t *testing.T) {
	const bt, total = 3, 30
	rapid.Check(t, func(t *rapid.T) {
		l := runtime.NewLedger(total)
		contents := map[runtime.BlockID][]int32{}
		words := rapid.SliceOfN(rapid.Int32Range(0, 1), 1, 14)
		// keep makes a context of tokens, published where it is full, and returns it with a hold on each block.
		keep := func(tokens []int32) *runtime.Lease {
			keys := runtime.Chain("tag", "", bt, tokens, nil)
			b, ok := l.Take((len(tokens) + bt - 1) / bt)
			require.True(t, ok)
			for i, id := range b {
				contents[id] = tokens[i*bt : min((i+1)*bt, len(tokens))]
			}
			kept := slices.Clone(b)
			for i, key := range keys {
				kept[i] = l.Publish(b[i], key)
			}
			l.Hold(kept)
			l.Give(b, true)
			return &runtime.Lease{Blocks: kept, Length: len(tokens), BlockTokens: bt}
		}
		for range rapid.IntRange(0, 3).Draw(t, "others") {
			lease := keep(words.Draw(t, "other"))
			if rapid.Bool().Draw(t, "gone") {
				l.Drop(lease.Blocks, rapid.Bool().Draw(t, "cold"))
			}
		}
		history := words.Draw(t, "history")
		own := keep(history)
		if rapid.Bool().Draw(t, "held") {
			l.Hold(own.Blocks) // by a save, or a fork
		}
		prompt := words.Draw(t, "prompt")
		keys := runtime.Chain("tag", "", bt, prompt, nil)
		common := runtime.CommonPrefix(history, prompt)

		m := l.Match(len(prompt), keys, own, common, bt)
		require.Less(t, m.Length, len(prompt), "at least one token is computed")
		require.Len(t, m.Blocks, (m.Length+bt-1)/bt)
		for i, b := range m.Blocks {
			end := min((i+1)*bt, m.Length)
			require.GreaterOrEqual(t, len(contents[b]), end-i*bt)
			require.Equal(t, prompt[i*bt:end], contents[b][:end-i*bt])
		}
		require.Equal(t, m.Length%bt != 0, m.Write)
		if m.Write {
			require.True(t, l.Sole(m.Blocks[len(m.Blocks)-1]))
		}
		// Nothing is missed: neither own full blocks, nor own tokens in a block that nobody else has, nor what is published.
		best := min(common, len(prompt)-1)
		if tail := best % bt; tail > 0 && !l.Sole(own.Blocks[best/bt]) {
			best -= tail
		}
		found := 0
		for found < len(keys) && (found+1)*bt < len(prompt) {
			if _, ok := l.Lookup(keys[found]); !ok {
				break
			}
			found++
		}
		require.Equal(t, max(best, found*bt), m.Length)

		without := l.Match(len(prompt), keys, nil, 0, bt)
		require.Equal(t, found*bt, without.Length)
		require.False(t, without.Write)
	})
}

func TestComputing(t *testing.T) {
	c := runtime.Computing{}
	k := []runtime.BlockKey{key(0), key(1), key(2), key(3)}
	_, wait := c.Awaits(k)
	require.False(t, wait)
	c.Begin(1, k[:3])
	last, wait := c.Awaits(k)
	require.True(t, wait)
	require.Equal(t, k[2], last, "as far as it is computed")
	_, wait = c.Awaits(k[3:])
	require.False(t, wait, "what it lacks first is computed by nobody")
	_, wait = c.Awaits(nil)
	require.False(t, wait)

	c.Begin(2, k)
	c.End(2, k[:3])
	require.True(t, c.Has(k[0]), "the first's")
	c.End(1, k[:2])
	require.False(t, c.Has(k[0]))
	last, wait = c.Awaits(k[2:])
	require.True(t, wait)
	require.Equal(t, k[3], last)
	c.End(1, k)
	c.End(2, k)
	require.Empty(t, c)
}
