package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// codeWords makes a conversation for each of n agents that tells it a code word of its own.
func codeWords(n int) (codes []string, talks []troupetest.Request) {
	for i := range n {
		code := fmt.Sprintf("%s-%d", words[i%len(words)], 31+i)
		codes = append(codes, code)
		talks = append(talks, troupetest.Request{Messages: troupetest.User("The code word is " + code + ".")})
	}
	return codes, talks
}

// asked adds the answers to the conversations, and the question for the code word.
func asked(talks []troupetest.Request, told []troupetest.Answer) []troupetest.Request {
	next := make([]troupetest.Request, len(talks))
	for i := range talks {
		next[i] = talks[i]
		next[i].Messages = append(append([]troupetest.Message{}, talks[i].Messages...),
			troupetest.Message{Role: "assistant", Content: told[i].Text},
			troupetest.Message{Role: "user", Content: "What is the code word?"})
	}
	return next
}

// requireRecall wants each agent's own code word, a context that came from the cache, and the very tokens that a server without any memory of it gives.
func requireRecall(t *testing.T, codes []string, told, answers, cold []troupetest.Answer) {
	t.Helper()
	for i, a := range answers {
		require.Contains(t, a.Text, codes[i], "agent %d", i)
		require.GreaterOrEqual(t, a.Usage.Details.Cached, told[i].Usage.Prompt, "agent %d: what it was told is read, not computed", i)
		require.Equal(t, cold[i].Text, a.Text, "agent %d", i)
		require.Equal(t, cold[i].Usage.Prompt, a.Usage.Prompt)
		require.Equal(t, cold[i].Usage.Completion, a.Usage.Completion)
	}
}

// coldAnswers asks a server that knows nothing of the agents, which must be true.
func coldAnswers(t *testing.T, questions []troupetest.Request, told []troupetest.Answer, flags ...string) []troupetest.Answer {
	t.Helper()
	fresh := troupetest.Start(t, flags...)
	cold := everyone(t, fresh.URL, questions)
	for i, a := range cold {
		require.Less(t, a.Usage.Details.Cached, told[i].Usage.Prompt, "a fresh server knows nothing of agent %d", i)
	}
	fresh.Stop()
	return cold
}

// savedAgents counts the manifests in a data folder.
func savedAgents(t *testing.T, data string) int {
	t.Helper()
	n := 0
	require.NoError(t, filepath.WalkDir(filepath.Join(data, "agents"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	}))
	return n
}

// TestFiftyAgentsRememberAfterARestart tells fifty agents a code word each, restarts the server, and asks them.
func TestFiftyAgentsRememberAfterARestart(t *testing.T) {
	for _, bits := range []string{"16", "8", "4"} {
		t.Run(bits, func(t *testing.T) {
			n := 50
			if bits != "16" {
				n = 8
			}
			flags := []string{"--kv-bits", bits}
			codes, talks := codeWords(n)
			s := troupetest.Start(t, flags...)
			told := everyone(t, s.URL, talks)
			s.Stop()
			require.Equal(t, n, savedAgents(t, s.Data))

			questions := asked(talks, told)
			cold := coldAnswers(t, questions, told, flags...)

			s = s.Again(flags...)
			requireRecall(t, codes, told, everyone(t, s.URL, questions), cold)
			s.Stop()
		})
	}
}

// TestAgentsSurviveKillNine kills the server once idle agents are saved, and again while it serves; what was saved is there both times.
func TestAgentsSurviveKillNine(t *testing.T) {
	const n = 8
	codes, talks := codeWords(n)
	flags := []string{"--idle-save", "100ms"}
	s := troupetest.Start(t, flags...)
	told := everyone(t, s.URL, talks)
	require.Eventually(t, func() bool { return savedAgents(t, s.Data) == n }, time.Minute, 10*time.Millisecond, "idle agents are saved by themselves")
	s.Kill()

	questions := asked(talks, told)
	cold := coldAnswers(t, questions, told)

	s = s.Again(flags...)
	requireRecall(t, codes, told, everyone(t, s.URL, questions), cold)
	s.Kill() // perhaps in the middle of a save
	s = s.Again(flags...)
	requireRecall(t, codes, told, everyone(t, s.URL, questions), cold)
	s.Stop()
}

// TestAgentsHibernateInASmallPool has more agents than the pool holds: idle ones go to disk and come back with the same tokens.
func TestAgentsHibernateInASmallPool(t *testing.T) {
	const n = 24
	codes, talks := codeWords(n)
	s := troupetest.Start(t, "--kv-memory", "1MiB") // 512 tokens: a few agents
	told := make([]troupetest.Answer, n)
	for i := range told { // one after the other, so that nobody is refused
		told[i] = everyoneFrom(t, s.URL, i, talks[i:i+1])[0]
	}
	questions := asked(talks, told)
	answers := make([]troupetest.Answer, n)
	for i := range answers {
		answers[i] = everyoneFrom(t, s.URL, i, questions[i:i+1])[0]
	}
	require.Positive(t, savedAgents(t, s.Data), "the pool is too large for this test")
	s.Stop()
	requireRecall(t, codes, told, answers, coldAnswers(t, questions, told))
}

// TestAnotherKVFormatDoesNotUseAnAgentsCache serves a data folder with other blocks: nothing wrong is used, and what was saved is still there afterwards.
func TestAnotherKVFormatDoesNotUseAnAgentsCache(t *testing.T) {
	codes, talks := codeWords(2)
	s := troupetest.Start(t)
	told := everyone(t, s.URL, talks)
	s.Stop()

	questions := asked(talks, told)
	s = s.Again("--kv-bits", "8")
	cold := everyone(t, s.URL, questions)
	for i, a := range cold {
		require.Less(t, a.Usage.Details.Cached, told[i].Usage.Prompt, "blocks of 16 bits are no use")
	}
	s.Stop()

	s = s.Again()
	for i, a := range everyone(t, s.URL, questions) {
		require.Contains(t, a.Text, codes[i])
		require.GreaterOrEqual(t, a.Usage.Details.Cached, told[i].Usage.Prompt, "the first server's cache was not destroyed")
	}
	s.Stop()
}
