package e2e

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// prompts differ in length, so that rows of a batch are at different positions.
var prompts = []string{
	"Hello!",
	"Who are you?",
	"Count from one to ten.",
	"My name is Clementine. The city is Reykjavik. What is my name?",
	"List three fruits.",
	"What is two plus three?",
	"Remember this code word: OBSIDIAN-58. Then tell me what a KV cache is.",
	"Please repeat after me: the quick brown fox jumps over the lazy dog, and then it does so again and again, until the sun goes down.",
}

// TestTokensDoNotDependOnCompany asks each question alone, then all at once, then of a server that cuts prompts and blocks differently.
func TestTokensDoNotDependOnCompany(t *testing.T) {
	whole, cut := troupetest.Start(t), troupetest.Start(t, "--prefill-chunk", "7", "--block-tokens", "16", "--max-batch", "5")
	for name, base := range map[string]troupetest.Request{
		"greedy": {MaxTokens: 48, IgnoreEOS: true},
		"seeded": {MaxTokens: 48, IgnoreEOS: true, Temperature: 1, Seed: 7},
	} {
		t.Run(name, func(t *testing.T) {
			ask := func(url, agent string, i int) (string, error) {
				r := base
				r.Messages = troupetest.User(prompts[i])
				a, err := troupetest.Chat(t.Context(), url, agent, r)
				if err == nil && a.Usage.Completion != r.MaxTokens {
					err = fmt.Errorf("status %d, %d tokens: %s", a.Status, a.Usage.Completion, a.Body)
				}
				return a.Text, err
			}
			var alone []string
			for i := range prompts {
				text, err := ask(whole.URL, "", i)
				require.NoError(t, err)
				alone = append(alone, text)
			}
			agent := func(i int) string { return fmt.Sprintf("%s-%d", name, i) }
			for _, url := range []string{whole.URL, cut.URL} {
				together := crowd(t, len(prompts), func(i int) (string, error) { return ask(url, agent(i), i) })
				require.Equal(t, alone, together)
			}
			// The agents ask again: now the prompts come from their caches.
			again := crowd(t, len(prompts), func(i int) (string, error) { return ask(whole.URL, agent(i), i) })
			require.Equal(t, alone, again)
		})
	}
}
