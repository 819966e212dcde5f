package http

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
)

// TestCacheMiss tells of every reason, in answers of both forms and dialects.
func TestCacheMiss(t *testing.T) {
	h, d := direct(t, Config{})
	for _, c := range []struct {
		miss actors.Miss
		want string
	}{
		{actors.Miss{}, ""},
		{actors.Miss{Why: actors.MissNew}, "new-agent; position=0"},
		{actors.Miss{Why: actors.MissTag}, "tag; position=0"},
		{actors.Miss{Why: actors.MissEvicted}, "evicted; position=0"},
		{actors.Miss{Why: actors.MissDamaged, Position: 3}, "damaged; position=3"},
		{actors.Miss{Why: actors.MissTokens, Position: 6}, "messages; position=6"},
		{actors.Miss{Why: actors.MissTokens, Position: 1_000_000}, "messages; position=1000000"},
	} {
		for _, e := range endpoints {
			for _, mode := range []string{"", `,"stream":true`} {
				out := ended(runtime.FinishStop)
				out.Miss = c.miss
				d.stage(out, actors.Event{Started: true, Miss: c.miss}, actors.Event{Text: "Hello", Tokens: 1})
				a := h.post(t, e.path, e.body(mode))
				require.Equal(t, http.StatusOK, a.status)
				require.Equal(t, c.want, a.header.Get("X-Cache-Miss"))
			}
		}
	}
}

// TestWhatDiffers changes one part of a request at a time. The first message's text is in the system prompt too, which must not mislead.
func TestWhatDiffers(t *testing.T) {
	v := &service{model: newModel(t)}
	const whole = `{"max_tokens":1,"system":"you say hi to Ann","messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"ho"},{"role":"user","content":"go"}],
		"tools":[{"name":"look","description":"sees","input_schema":{"type":"object"}}]}`
	read := func(body string) (*call, []int32) {
		in, err := anthropic{}.parse([]byte(body))
		require.NoError(t, err)
		prompt, err := v.prompt(t.Context(), in)
		require.NoError(t, err)
		return in, prompt
	}
	_, old := read(whole)
	for _, c := range []struct{ from, to, want string }{
		{"to Ann", "to Bob", "system"}, {"you say", "we say", "system"}, {"sees", "hears", "tools"}, {`"look"`, `"listen"`, "tools"},
		{`"content":"hi"`, `"content":"my"`, "messages"}, {`"ho"`, `"hi"`, "messages"}, {`"go"`, `"so"`, "messages"}, {`"go"`, `"gone"`, "messages"},
	} {
		in, prompt := read(strings.Replace(whole, c.from, c.to, 1))
		require.Equal(t, c.want, v.differs(t.Context(), in.chat, prompt, runtime.CommonPrefix(old, prompt)), "%s -> %s", c.from, c.to)
	}
	// Without tools whatever is not a message is the system prompt; a conversation of system prompts alone has only that.
	bare := strings.Replace(whole, `,"input_schema":{"type":"object"}`, "", 1)
	bare = bare[:strings.Index(bare, ",\n")] + "}"
	_, old = read(bare)
	in, prompt := read(strings.Replace(bare, "Ann", "Bob", 1))
	require.Equal(t, "system", v.differs(t.Context(), in.chat, prompt, runtime.CommonPrefix(old, prompt)))
}

// TestMissesOfAHouse has real actors find the difference.
func TestMissesOfAHouse(t *testing.T) {
	h := live(t, Config{}, enginetest.Options{}, actors.Config{})
	say := func(system, text string) string {
		t.Helper()
		a := h.post(t, "/v1/messages", anthropicBody(`,"system":"`+system+`","messages":[{"role":"user","content":"`+text+`"}]`), "X-Agent-ID", "ada")
		require.Equal(t, http.StatusOK, a.status, a.body)
		require.Equal(t, "ada", a.header.Get("X-Agent-ID"))
		return a.header.Get("X-Cache-Miss")
	}
	long := strings.Repeat("a long text. ", 20)
	require.Equal(t, "new-agent; position=0", say("be brief", long+"one"))
	require.Regexp(t, `^messages; position=\d+$`, say("be brief", long+"two"))
	require.Regexp(t, `^system; position=\d+$`, say("be verbose", long+"two"))
}
