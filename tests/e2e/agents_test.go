package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// words make the agents' code words. The model never saw them in training, so it can only have them from the conversation.
var words = strings.Fields(`ZEBRA PINEAPPLE NEBULA WALRUS CINNAMON BAMBOO TURQUOISE HURRICANE SAFFRON OBSIDIAN
	MANDOLIN PENGUIN TAPESTRY ZEPPELIN CACTUS BLUEBIRD OCTOPUS MARIGOLD SAPPHIRE TROMBONE`)

// TestTwentyAgentsKeepTheirCodeWords tells twenty agents a code word each, all at the same time, and then asks all of them at the same time.
func TestTwentyAgentsKeepTheirCodeWords(t *testing.T) {
	s := troupetest.Start(t)
	codes := make([]string, len(words))
	talks := make([]troupetest.Request, len(words))
	for i, word := range words {
		codes[i] = fmt.Sprintf("%s-%d", word, 31+i*3)
		talks[i] = troupetest.Request{Messages: troupetest.User("The code word is " + codes[i] + "."), Stream: i%2 == 0}
	}
	told := everyone(t, s.URL, talks)
	for i, a := range told {
		talks[i].Messages = append(talks[i].Messages,
			troupetest.Message{Role: "assistant", Content: a.Text},
			troupetest.Message{Role: "user", Content: "What is the code word?"})
	}
	for i, a := range everyone(t, s.URL, talks) {
		for k, code := range codes {
			if k == i {
				require.Contains(t, a.Text, code, "agent %d does not know its code word", i)
			} else {
				require.NotContains(t, a.Text, code, "agent %d knows the code word of agent %d", i, k)
			}
		}
		require.GreaterOrEqual(t, a.Usage.Details.Cached, told[i].Usage.Prompt, "the first prompt of agent %d is computed once", i)
		require.Less(t, a.Usage.Details.Cached, a.Usage.Prompt)
	}
	s.Stop()
}

// everyone sends each agent its request, all at once, and returns the answers, which must all be good.
func everyone(t *testing.T, url string, talks []troupetest.Request) []troupetest.Answer {
	t.Helper()
	return everyoneFrom(t, url, 0, talks)
}

// everyoneFrom is everyone for the agents from number first on.
func everyoneFrom(t *testing.T, url string, first int, talks []troupetest.Request) []troupetest.Answer {
	t.Helper()
	return crowd(t, len(talks), func(i int) (troupetest.Answer, error) {
		a, err := troupetest.Chat(t.Context(), url, fmt.Sprintf("agent-%d", first+i), talks[i])
		if err == nil && (a.Status != http.StatusOK || a.Finish == "") {
			err = fmt.Errorf("agent %d: status %d, finish reason %q: %s", first+i, a.Status, a.Finish, a.Body)
		}
		return a, err
	})
}

// crowd calls a function n times at once and returns what it returned. No error is tolerated.
func crowd[T any](t *testing.T, n int, call func(i int) (T, error)) []T {
	t.Helper()
	results, errs := make([]T, n), make(chan error, n)
	for i := range n {
		go func() {
			var err error
			results[i], err = call(i)
			errs <- err
		}()
	}
	for range n {
		require.NoError(t, <-errs)
	}
	return results
}
