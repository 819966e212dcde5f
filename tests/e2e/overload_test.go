package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// TestOverloadIsRefusedAndPasses sends far more than a pool of 32 blocks of 32 tokens and a queue of four can take. An answer takes nearly half of the pool, so
// that the first ones still run when the last request comes, however fast the engine is.
func TestOverloadIsRefusedAndPasses(t *testing.T) {
	const tokens = 400
	s := troupetest.Start(t, "--kv-memory", "2MiB", "--max-queue", "4")
	require.Equal(t, 32.0, s.WaitFor("loaded")["blocks"])
	answers := crowd(t, 60, func(i int) (troupetest.Answer, error) {
		return troupetest.Chat(t.Context(), s.URL, fmt.Sprintf("agent-%d", i), troupetest.Request{
			Messages: troupetest.User("Hello!"), MaxTokens: tokens, IgnoreEOS: true, Stream: i%2 == 0,
		})
	})
	served, refused := 0, 0
	for _, a := range answers {
		switch a.Status {
		case http.StatusOK:
			served++
			require.Empty(t, a.Refusal)
			require.Equal(t, tokens, a.Usage.Completion, "what was admitted is served to its end")
		case http.StatusTooManyRequests:
			refused++
			requireRefusal(t, a)
		default:
			require.Fail(t, "neither served nor told to come back", "status %d: %s", a.Status, a.Body)
		}
	}
	require.NotZero(t, served)
	require.NotZero(t, refused)

	after := troupetest.MustChat(t, s.URL, "late", troupetest.Request{Messages: troupetest.User("Who are you?"), MaxTokens: 100, IgnoreEOS: true})
	require.Equal(t, 100, after.Usage.Completion, "afterwards everything is as before")
	require.NotContains(t, s.Log(), `"level":"ERROR"`)
	s.Stop()
}

// crowded is a pool of 160 blocks of 32 tokens, which holds twenty agents who say crowdedAnswer tokens, and a queue for forty more.
func crowded(t *testing.T) *troupetest.Server {
	s := troupetest.Start(t, "--kv-memory", "10MiB", "--max-queue", "40")
	require.Equal(t, 160.0, s.WaitFor("loaded")["blocks"])
	return s
}

const crowdedAnswer = 200

// crowdedRequest asks for a crowdedAnswer, every other time as a stream.
func crowdedRequest(i int) troupetest.Request {
	return troupetest.Request{
		Messages: troupetest.User(fmt.Sprintf("I am number %d. Who are you?", i)), MaxTokens: crowdedAnswer, IgnoreEOS: true, Stream: i%2 == 0,
	}
}

// TestOverloadOfThreeHundredAgentsForAPoolOfTwenty sends all at once. Each gets a whole answer or is told when to come back, and nothing is left behind.
func TestOverloadOfThreeHundredAgentsForAPoolOfTwenty(t *testing.T) {
	s := crowded(t)
	answers := crowd(t, 300, func(i int) (troupetest.Answer, error) {
		return troupetest.Chat(t.Context(), s.URL, fmt.Sprintf("agent-%d", i), crowdedRequest(i))
	})
	served, refused := 0, 0
	for _, a := range answers {
		if a.Status == http.StatusOK {
			served++
			requireWhole(t, a)
			continue
		}
		refused++
		requireRefusal(t, a)
	}
	t.Logf("%d were served, %d refused", served, refused)
	require.GreaterOrEqual(t, served, 40, "as many as the queue holds")
	require.NotZero(t, refused)
	requireRest(t, s)

	after := troupetest.MustChat(t, s.URL, "late", crowdedRequest(0))
	require.Equal(t, crowdedAnswer, after.Usage.Completion, "afterwards everything is as before")
	require.NotContains(t, s.Log(), `"level":"ERROR"`)
	s.Stop()
}

// TestOverloadPassesForWhoComesBack has clients that wait as long as they are told, some by Retry-After and some by retry-after-ms.
func TestOverloadPassesForWhoComesBack(t *testing.T) {
	s := crowded(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute) // only so that a hang has a name
	defer cancel()
	tries := crowd(t, 150, func(i int) (int, error) {
		for n := 1; ; n++ {
			a, err := troupetest.Chat(ctx, s.URL, fmt.Sprintf("agent-%d", i), crowdedRequest(i))
			switch {
			case err != nil:
				return n, err
			case a.Status == http.StatusOK && a.Usage.Completion == crowdedAnswer && a.Refusal == "":
				return n, nil
			case a.Status != http.StatusTooManyRequests:
				return n, fmt.Errorf("status %d, %d tokens: %s%s", a.Status, a.Usage.Completion, a.Body, a.Refusal)
			}
			header, unit := "Retry-After", time.Second
			if i%3 == 0 {
				header, unit = "Retry-After-Ms", time.Millisecond
			}
			wait, err := strconv.Atoi(a.Header.Get(header))
			if err != nil {
				return n, fmt.Errorf("%s: %w", header, err)
			}
			select {
			case <-time.After(time.Duration(wait) * unit):
			case <-ctx.Done():
				return n, ctx.Err()
			}
		}
	})
	most, again := 0, 0
	for _, n := range tries {
		most = max(most, n)
		if n > 1 {
			again++
		}
	}
	t.Logf("%d came again, at most %d times", again, most)
	require.NotZero(t, again, "nobody was refused: the queue is too long for this test")
	requireRest(t, s)
	require.NotContains(t, s.Log(), `"level":"ERROR"`)
	s.Stop()
}

func requireWhole(t *testing.T, a troupetest.Answer) {
	t.Helper()
	require.Empty(t, a.Refusal)
	require.Equal(t, "length", a.Finish)
	require.Equal(t, crowdedAnswer, a.Usage.Completion, "what was admitted is served to its end")
}

func requireRefusal(t *testing.T, a troupetest.Answer) {
	t.Helper()
	require.Equal(t, http.StatusTooManyRequests, a.Status, a.Body)
	require.NotEmpty(t, a.Refusal)
	for header, unit := range map[string]int{"Retry-After": 1, "Retry-After-Ms": 1000} {
		wait, err := strconv.Atoi(a.Header.Get(header))
		require.NoError(t, err, header)
		require.GreaterOrEqual(t, wait, unit, header)
		require.LessOrEqual(t, wait, 50*unit, "Claude Code gives up when it is told to wait longer")
	}
}

// requireRest wants that nothing runs, waits or holds blocks soon after the last answer.
func requireRest(t *testing.T, s *troupetest.Server) {
	t.Helper()
	require.Eventually(t, func() bool {
		resp, err := http.Get(s.URL + "/health")
		if err != nil {
			return false
		}
		defer func() { _ = resp.Body.Close() }()
		var body struct {
			Status string
			Pool   *struct{ Leased, Running, Waiting int }
		}
		err = json.NewDecoder(resp.Body).Decode(&body)
		return err == nil && resp.StatusCode == http.StatusOK && body.Status == "ok" && body.Pool != nil && *body.Pool == struct{ Leased, Running, Waiting int }{}
	}, time.Minute, 50*time.Millisecond)
}
