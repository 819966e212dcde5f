package http

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
)

// second is a time on the clock of the tests, in seconds.
func second(n float64) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(n * float64(time.Second)))
}

func TestLimitOfRequests(t *testing.T) {
	l := newLimiter(RateLimits{KeyRequests: 60, AgentRequests: 2})
	for i := range 2 {
		q, err := l.take(second(0), "k", "k/ada")
		require.NoError(t, err)
		require.Equal(t, &quota{limit: 2, remaining: 1 - i, reset: time.Duration(30*(i+1)) * time.Second}, q.requests, "the scarcer one is told")
		require.Nil(t, q.tokens)
	}
	q, err := l.take(second(0), "k", "k/ada")
	require.EqualError(t, err, "the limit of 2 requests a minute is used up")
	require.Equal(t, runtime.Busy, runtime.KindOf(err))
	require.Equal(t, 0, q.requests.remaining)
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 30*time.Second, e.RetryAfter)

	_, err = l.take(second(0), "k", "k/bob")
	require.NoError(t, err, "another agent")
	_, err = l.take(second(0), "k", "")
	require.NoError(t, err, "an anonymous agent is limited by its key alone")
	_, err = l.take(second(29.9), "k", "k/ada")
	require.Error(t, err)
	_, err = l.take(second(30), "k", "k/ada")
	require.NoError(t, err, "half a minute gives one of two back")
	_, err = l.take(second(30), "k", "k/ada")
	require.Error(t, err)
}

// TestRefusalsAreFree: what an agent is refused must not use up its key.
func TestRefusalsAreFree(t *testing.T) {
	l := newLimiter(RateLimits{KeyRequests: 2, AgentRequests: 1})
	_, err := l.take(second(0), "k", "k/ada")
	require.NoError(t, err)
	for range 10 {
		_, err = l.take(second(0), "k", "k/ada")
		require.EqualError(t, err, "the limit of 1 requests a minute is used up")
	}
	_, err = l.take(second(0), "k", "k/bob")
	require.NoError(t, err)
	_, err = l.take(second(0), "k", "k/eve")
	require.EqualError(t, err, "the limit of 2 requests a minute is used up")
	_, err = l.take(second(0), "other", "other/ada")
	require.NoError(t, err)
}

func TestLimitOfTokens(t *testing.T) {
	l := newLimiter(RateLimits{KeyTokens: 600})
	q, err := l.take(second(0), "k", "k/ada")
	require.NoError(t, err)
	require.Equal(t, &quota{limit: 600, remaining: 600}, q.tokens)
	l.charge(second(0), "k", "k/ada", 1500) // more than the bucket ever has: a debt of 900
	q, err = l.take(second(0), "k", "k/ada")
	require.EqualError(t, err, "the limit of 600 tokens a minute is used up")
	require.Equal(t, &quota{limit: 600, remaining: 0, reset: 150 * time.Second}, q.tokens)
	var e *runtime.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, 90*time.Second+100*time.Millisecond, e.RetryAfter)
	_, err = l.take(second(90), "k", "k/ada")
	require.Error(t, err)
	_, err = l.take(second(90.1), "k", "k/ada")
	require.NoError(t, err)
	q, err = l.take(second(1000), "k", "k/ada")
	require.NoError(t, err)
	require.Equal(t, 600, q.tokens.remaining, "no more than a minute's are saved up")
	l.charge(second(1000), "k", "k/ada", 0)
}

// TestForgottenBuckets has far more agents than are kept; those that are not full must stay.
func TestForgottenBuckets(t *testing.T) {
	l := newLimiter(RateLimits{AgentRequests: 1})
	for i := range 10 * minSweep {
		now := second(float64(i) / 1000) // in a minute many buckets become full
		_, err := l.take(now, "", fmt.Sprint(i))
		require.NoError(t, err)
		_, err = l.take(now, "", fmt.Sprint(i))
		require.Error(t, err, "forgotten too early")
	}
	now := second(10 * minSweep)
	_, err := l.take(now, "", "x")
	require.NoError(t, err)
	l.forget(now)
	require.Len(t, l.agents, 1)
	require.Equal(t, minSweep, l.sweep)
}

func TestNoLimits(t *testing.T) { require.Nil(t, newLimiter(RateLimits{})) }

// TestRateLimitedAnswers checks both dialects' headers and bodies, when there is something left and when not.
func TestRateLimitedAnswers(t *testing.T) {
	cfg := locked()
	cfg.RateLimits = RateLimits{KeyRequests: 3, KeyTokens: 1000, AgentTokens: 10}
	h, d := direct(t, cfg) // on 2023-11-14T22:13:21Z
	headers := func(a answer, names ...string) (out []string) {
		for _, n := range names {
			out = append(out, a.header.Get(n))
		}
		return out
	}
	requests := []string{"anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"}
	tokens := []string{"anthropic-ratelimit-tokens-limit", "anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"}

	// 8 tokens of the prompt are computed, 3 generated.
	_, a := exchange(t, h, d, "/v1/messages", anthropicBody(""), "X-Api-Key", keyA, "X-Agent-ID", "ada")
	require.Equal(t, []string{"3", "2", "2023-11-14T22:13:41Z"}, headers(a, requests...))
	require.Equal(t, []string{"10", "10", "2023-11-14T22:13:21Z"}, headers(a, tokens...))

	a = h.post(t, "/v1/messages", anthropicBody(""), "X-Api-Key", keyA, "X-Agent-ID", "ada")
	requireError(t, "anthropic", a, http.StatusTooManyRequests, "the limit of 10 tokens a minute is used up", "")
	require.Equal(t, []string{"10", "0", "2023-11-14T22:14:27Z"}, headers(a, tokens...))
	require.Equal(t, []string{"3", "2", "2023-11-14T22:13:41Z"}, headers(a, requests...))
	require.Equal(t, []string{"12", "12000"}, headers(a, "retry-after", "retry-after-ms"))

	a = h.post(t, "/v1/chat/completions", openaiBody(""), "X-Api-Key", keyA, "X-Agent-ID", "ada")
	require.Equal(t, http.StatusTooManyRequests, a.status)
	require.Equal(t, `{"error":{"message":"the limit of 10 tokens a minute is used up","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`, a.body)
	require.Equal(t, []string{"3", "2", "20s", "10", "0", "1m6s"}, headers(a, "x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
		"x-ratelimit-limit-tokens", "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"))

	exchange(t, h, d, "/v1/chat/completions", openaiBody(`,"stream":true`), "X-Api-Key", keyA)
	exchange(t, h, d, "/v1/chat/completions", openaiBody(""), "X-Api-Key", keyA)
	a = h.post(t, "/v1/chat/completions", openaiBody(""), "X-Api-Key", keyA)
	require.Equal(t, `{"error":{"message":"the limit of 3 requests a minute is used up","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, a.body)
	require.Equal(t, []string{"20", "20000"}, headers(a, "retry-after", "retry-after-ms"))
	require.Equal(t, "967", a.header.Get("x-ratelimit-remaining-tokens"), "three answers of 11 tokens")
	exchange(t, h, d, "/v1/messages", anthropicBody(""), "X-Api-Key", keyB)
	require.Equal(t, http.StatusOK, h.get(t, "/v1/models", "X-Api-Key", keyA).status, "only generations are limited")
}

// TestWhatFailedIsNotCharged: a request that never got to its agent computed nothing.
func TestWhatFailedIsNotCharged(t *testing.T) {
	h, d := direct(t, Config{RateLimits: RateLimits{KeyTokens: 10}})
	d.stage(actors.Outcome{Err: runtime.Errorf(runtime.Busy, "no room"), PromptTokens: 500})
	require.Equal(t, http.StatusTooManyRequests, h.post(t, "/v1/messages", anthropicBody("")).status)
	exchange(t, h, d, "/v1/messages", anthropicBody(""))
	require.Error(t, Config{RateLimits: RateLimits{AgentTokens: -1}}.Validate())
}
