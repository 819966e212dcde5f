package actors_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/storetest"
)

// pairs is a language in which token n < 60 spells two letters of eight, but for the first eight tokens, which spell one each; the last are special.
func pairs(id int32) (string, bool) {
	const letters = "abcdefgh"
	if id < 8 {
		return letters[id : id+1], true
	}
	return string([]byte{letters[id/8%8], letters[id%8]}), id < 60
}

// apart spells tokens with single letters.
func apart(ids []int32) (out []int32) {
	for _, id := range ids {
		if id < 8 || id >= 60 {
			out = append(out, id)
		} else {
			out = append(out, id/8%8, id%8)
		}
	}
	return out
}

// What an agent said comes back in other tokens: it goes on from its own, and the question is computed.
func TestAPromptGoesOnFromWhatItSpells(t *testing.T) {
	for _, where := range []string{"in the pool", "on disk"} {
		t.Run(where, func(t *testing.T) {
			s := start(t, enginetest.Options{}, actors.Config{Piece: pairs, Store: storetest.NewFake()})
			p := prompt(1, 40)
			ask(t, s, "a", p, 30)
			said := append(p[:len(p):len(p)], enginetest.Greedy(64, p, 30)...)
			if where == "on disk" {
				require.NoError(t, s.Hibernate(context.Background(), "a"))
			}
			sent := append(append(p[:len(p):len(p)], apart(said[len(p):])...), 63, 1, 2)
			require.Greater(t, len(sent), len(said)+3)
			text, cached, o := read(generate(t, s, actors.Request{Agent: "a", Prompt: sent, MaxTokens: 9}))
			require.NoError(t, o.Err)
			// Its last token was never computed, so what stands for it is as the client sent it.
			n := len(said) - 1
			meant := append(append(said[:n:n], apart(said[n:])...), 63, 1, 2)
			require.Equal(t, spell(enginetest.Greedy(64, meant, 9)), text)
			require.Equal(t, n, cached)
			require.Equal(t, actors.Outcome{Reason: runtime.FinishLength, PromptTokens: len(meant), CachedTokens: n, OutputTokens: 9}, o)
			require.EqualValues(t, 1, stats(t, s).Realigned)

			// The other way round, and somebody who has never said it: nothing is changed.
			require.Zero(t, ask(t, s, "b", append(apart(p), 63), 3))
			require.EqualValues(t, 1, stats(t, s).Realigned)
		})
	}
}
