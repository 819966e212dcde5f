package engine

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
	"troupe/runtime/chat"
)

const starterDir = "../starter/model"

// The model that is embedded in the binary loads like any folder, answers, ends
// its turn, and gives each of many agents what it gives them alone.
func TestStarter(t *testing.T) {
	e := newEngine(t, starterDir, Options{Blocks: 120, BlockTokens: 16})
	m := readFolderAt(t, starterDir).Model
	require.Equal(t, runtime.Sampling{RepetitionPenalty: 1}, m.Defaults)

	var prompts [][]int32
	for i, text := range []string{"Hello!", "My name is Zorbel.", "What is Troupe?", "Count from 1 to 5.", "The code is 4711. What is the code?"} {
		messages := []chat.Message{{Role: "user", Content: text}}
		if i%2 == 1 {
			messages = append(messages, chat.Message{Role: "assistant", Content: "I see."}, chat.Message{Role: "user", Content: "What did I say?"})
		}
		prompt, err := m.Prompt(t.Context(), chat.Input{Messages: messages, AddGenerationPrompt: true})
		require.NoError(t, err)
		prompts = append(prompts, prompt)
	}
	var answers []string
	for _, c := range compareRuns(t, e, e, prompts, 40, 2) {
		end := slices.IndexFunc(c.tokens, m.Stops)
		if end < 0 {
			end = len(c.tokens)
		}
		answers = append(answers, m.Tokenizer.Decode(c.tokens[:end], true))
	}
	t.Logf("%q", answers)
	require.Contains(t, answers[0], "Hello")
	require.Contains(t, answers[4], "4711")
	require.Less(t, len(answers[4]), 40, "the turn ends")
}
