package actors_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
	"troupe/runtime/tokenizer"
)

func TestOneRequest(t *testing.T) {
	s := start(t, enginetest.Options{}, actors.Config{})
	p := prompt(1, 40)
	text, cached, o := read(generate(t, s, actors.Request{Prompt: p, MaxTokens: 30}))
	require.Equal(t, actors.Outcome{Reason: runtime.FinishLength, PromptTokens: 40, OutputTokens: 30}, o)
	require.Equal(t, spell(enginetest.Greedy(64, p, 30)), text)
	require.Zero(t, cached)
}

func TestConversationsSideBySide(t *testing.T) {
	s := start(t, enginetest.Options{Blocks: 400}, actors.Config{MaxBatch: 8, PrefillChunk: 64, Check: true})
	var all sync.WaitGroup
	for n := range 20 {
		all.Go(func() {
			history := prompt(n, 10+n)
			for turn := range 5 {
				text, cached, o := read(generate(t, s, actors.Request{Agent: fmt.Sprint("agent ", n), Prompt: history, MaxTokens: 12}))
				want := enginetest.Greedy(64, history, 12)
				if o.Err != nil || text != spell(want) {
					t.Errorf("agent %d, turn %d: %q and %v, want %q", n, turn, text, o.Err, spell(want))
				}
				// All but the last token that was said, and what came after it, were computed before.
				if turn > 0 && cached != len(history)-4 {
					t.Errorf("agent %d, turn %d: %d of %d tokens were cached", n, turn, cached, len(history))
				}
				history = append(append(history, want...), int32(turn), 1, 2)
			}
		})
	}
	all.Wait()
	st := stats(t, s)
	require.Equal(t, 20, st.IdleAgents)
	require.Zero(t, st.Leased)
	require.Equal(t, st.Blocks, st.Free+st.Cached)
	require.EqualValues(t, 100, st.Admitted)
}

func TestGenerationEndsWhereTheContextEnds(t *testing.T) {
	s := start(t, enginetest.Options{Context: 50, BlockTokens: 8, Blocks: 64}, actors.Config{})
	p := prompt(3, 30)
	for _, asked := range []int{0, 20, 21, math.MaxInt} {
		text, _, o := read(generate(t, s, actors.Request{Prompt: p, MaxTokens: asked}))
		require.NoError(t, o.Err)
		require.Equal(t, runtime.FinishLength, o.Reason)
		require.Equal(t, spell(enginetest.Greedy(64, p, 20)), text, "asked for %d", asked)
	}
	t.Run("of the model", func(t *testing.T) {
		s := start(t, enginetest.Options{}, actors.Config{Model: &model.Model{Context: 33}})
		_, _, o := read(generate(t, s, actors.Request{Prompt: p}))
		require.Equal(t, 3, o.OutputTokens)
	})
	t.Run("of the pool", func(t *testing.T) {
		s := start(t, enginetest.Options{Blocks: 2}, actors.Config{})
		_, _, o := read(generate(t, s, actors.Request{Prompt: p}))
		require.NoError(t, o.Err)
		require.Equal(t, 2, o.OutputTokens)
	})
}

func TestStopTokens(t *testing.T) {
	p := prompt(5, 9)
	want := enginetest.Greedy(64, p, 10)
	s := start(t, enginetest.Options{}, actors.Config{Model: &model.Model{StopIDs: []int32{want[4]}}})
	text, _, o := read(generate(t, s, actors.Request{Prompt: p, MaxTokens: 10}))
	require.Equal(t, actors.Outcome{Reason: runtime.FinishStop, PromptTokens: 9, OutputTokens: 5}, o)
	require.Equal(t, spell(want[:4]), text, "the token that ends the turn is no text")

	text, _, o = read(generate(t, s, actors.Request{Prompt: p, MaxTokens: 10, IgnoreEOS: true}))
	require.Equal(t, runtime.FinishLength, o.Reason)
	require.Equal(t, spell(want), text)
}

func TestStopStringAcrossTokens(t *testing.T) {
	p := prompt(6, 9)
	want := spell(enginetest.Greedy(64, p, 20))
	s := start(t, enginetest.Options{}, actors.Config{})
	text, _, o := read(generate(t, s, actors.Request{Prompt: p, Stops: []string{"never", want[5:8]}}))
	at := strings.Index(want, want[5:8])
	require.Equal(t, actors.Outcome{Reason: runtime.FinishString, StopString: want[5:8], PromptTokens: 9, OutputTokens: at + 3}, o)
	require.Equal(t, want[:at], text)
}

func TestRefusals(t *testing.T) {
	s := start(t, enginetest.Options{Context: 50, Blocks: 3}, actors.Config{})
	ok := []int32{1, 2}
	for message, r := range map[string]actors.Request{
		"the prompt is empty: it needs at least one token": {},
		"prompt is too long: 50 tokens > 49 maximum":       {Prompt: prompt(1, 50)},
		"the prompt has 48 tokens, and the KV memory of this server holds 47: shorten it, or start the server with more --kv-memory": {Prompt: prompt(1, 48)},
		"token 1 of the prompt is 64, and the vocabulary of the model ends at 63":                                                    {Prompt: []int32{1, 64}},
		"token 0 of the prompt is -1, and the vocabulary of the model ends at 63":                                                    {Prompt: []int32{-1}},
		"max_tokens must not be negative, and is -1":                                                                                 {Prompt: ok, MaxTokens: -1},
		"stop string 0 has 0 bytes; 1 to 1024 are allowed":                                                                           {Prompt: ok, Stops: []string{""}},
		"temperature must be between 0 and 100, not NaN":                                                                             {Prompt: ok, Sampling: runtime.Sampling{Temperature: math.NaN()}},
		"logit_bias names token 64, and the vocabulary ends at 63":                                                                   {Prompt: ok, Sampling: runtime.Sampling{Bias: map[int32]float32{64: 1}}},
	} {
		_, err := s.Generate(context.Background(), r)
		require.EqualError(t, err, message)
		want := runtime.Invalid
		if strings.Contains(message, "KV memory") {
			want = runtime.TooLarge
		}
		require.Equal(t, want, runtime.KindOf(err))
	}
	require.Zero(t, stats(t, s).Admitted)
}

// What is said through the model's own tokenizer is what the tokenizer says of all the tokens together.
func TestTextComesFromTheModelsTokenizer(t *testing.T) {
	file, err := os.ReadFile("../runtime/tokenizer/testdata/goldens/deepseek.tokenizer.json")
	require.NoError(t, err)
	tok, err := tokenizer.Parse(file)
	require.NoError(t, err)
	engine := enginetest.NewFake(enginetest.Options{Vocab: tok.VocabSize()})
	s, err := actors.Start(actors.Config{Engine: engine, Model: &model.Model{Tokenizer: tok}})
	require.NoError(t, err)
	defer func() { require.NoError(t, s.Close()) }()
	p := []int32{1, 2, 3}
	text, _, o := read(generate(t, s, actors.Request{Prompt: p, MaxTokens: 60}))
	require.NoError(t, o.Err)
	require.Equal(t, tok.Decode(enginetest.Greedy(tok.VocabSize(), p, 60), true), text)
}
