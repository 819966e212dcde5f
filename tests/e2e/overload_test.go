package e2e

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"

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
			seconds, err := strconv.Atoi(a.Header.Get("Retry-After"))
			require.NoError(t, err)
			require.GreaterOrEqual(t, seconds, 1)
			require.LessOrEqual(t, seconds, 50, "Claude Code gives up when it is told to wait longer")
			require.NotEmpty(t, a.Refusal)
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
