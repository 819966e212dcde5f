package runtime_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"troupe/runtime"
)

func TestOutlook(t *testing.T) {
	const s = time.Second
	nobody := func(time.Duration) int { return 0 }
	three := func(within time.Duration) int { return min(3, int(within/(2*s))) } // after 2, 4 and 6 seconds
	for name, c := range map[string]struct {
		outlook runtime.Outlook
		want    time.Duration
	}{
		"nothing runs":         {runtime.Outlook{Round: 9 * s, Places: 1, Earlier: nobody}, s},
		"nothing is known":     {runtime.Outlook{Running: make([]time.Duration, 3), Places: 7, Earlier: nobody}, s},
		"the first to end":     {runtime.Outlook{Running: []time.Duration{9 * s, 4 * s}, Places: 1, Earlier: nobody}, 4 * s},
		"both":                 {runtime.Outlook{Running: []time.Duration{9 * s, 4 * s}, Places: 2, Earlier: nobody}, 9 * s},
		"a round later":        {runtime.Outlook{Running: []time.Duration{9 * s, 4 * s}, Round: 10 * s, Places: 3, Earlier: nobody}, 14 * s},
		"at once":              {runtime.Outlook{Running: []time.Duration{0}, Places: 1, Earlier: nobody}, s},
		"rounded up":           {runtime.Outlook{Running: []time.Duration{4*s + 1}, Places: 1, Earlier: nobody}, 4*s + 100*time.Millisecond},
		"too late":             {runtime.Outlook{Running: []time.Duration{51 * s}, Places: 1, Earlier: nobody}, 50 * s},
		"in a day":             {runtime.Outlook{Running: []time.Duration{s}, Round: s, Places: 86400, Earlier: nobody}, 50 * s},
		"behind three others":  {runtime.Outlook{Running: []time.Duration{7 * s}, Round: s, Places: 1, Earlier: three}, 10 * s},
		"between three others": {runtime.Outlook{Running: []time.Duration{s}, Round: s, Places: 2, Earlier: three}, 3 * s},
	} {
		require.Equal(t, c.want, c.outlook.RetryAfter(), name)
	}
}

// Whatever is known, the answer is one that clients can be told.
func TestRetryAfterIsBounded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Unix(1_700_000_000, 0)
		var back runtime.Comebacks
		for range rapid.IntRange(0, 50).Draw(t, "others") {
			back.Add(now, time.Duration(rapid.Int64Range(0, int64(runtime.MaxRetryAfter)).Draw(t, "after")))
		}
		wait := runtime.Outlook{
			Running: rapid.SliceOf(rapid.Map(rapid.Int64Range(0, 1<<50), func(n int64) time.Duration { return time.Duration(n) })).Draw(t, "running"),
			Round:   time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "round")), Places: rapid.IntRange(0, 1<<30).Draw(t, "places"), Earlier: back.Schedule(now),
		}.RetryAfter()
		require.GreaterOrEqual(t, wait, runtime.MinRetryAfter)
		require.LessOrEqual(t, wait, runtime.MaxRetryAfter)
	})
}

func TestComebacks(t *testing.T) {
	const s = time.Second
	now := time.Unix(1_700_000_000, 0)
	var c runtime.Comebacks
	require.Zero(t, c.Schedule(now)(50*s))
	c.Add(now, s)
	c.Add(now, s)
	c.Add(now, 50*s)
	of := c.Schedule(now)
	require.Equal(t, []int{0, 0, 2, 2, 3, 3}, []int{of(0), of(s - 1), of(s), of(49 * s), of(50 * s), of(500 * s)})
	of = c.Schedule(now.Add(s))
	require.Equal(t, []int{0, 0, 1}, []int{of(0), of(48 * s), of(49 * s)}, "who is due now is not ahead")
	c.Add(now.Add(2*s), 50*s)
	require.Equal(t, 2, c.Schedule(now.Add(2*s))(50*s))
	require.Equal(t, 1, c.Schedule(now.Add(51*s))(50*s))
	require.Zero(t, c.Schedule(now.Add(1000*s))(50*s))
}

func TestAnswers(t *testing.T) {
	var a runtime.Answers
	require.Equal(t, 256, a.Remaining(0, 4000), "nothing is known")
	require.Equal(t, 100, a.Remaining(0, 100))
	require.Equal(t, 128, a.Remaining(300, 4000))
	a.Observe(50, 500)
	require.Equal(t, 51, a.Remaining(0, 500), "the usual share")
	require.Equal(t, 41, a.Remaining(10, 490))
	require.Equal(t, 25, a.Remaining(60, 440), "longer than usual")
	require.Equal(t, 3, a.Remaining(60, 3))
	require.Equal(t, 201, a.Remaining(0, 1_000_000), "not far longer than others")
	require.Zero(t, a.Remaining(7, 0))
	for range 200 {
		a.Observe(20, 20)
	}
	require.Equal(t, 20, a.Remaining(0, 20), "all of it")
}
