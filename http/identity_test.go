package http

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

func TestIdentity(t *testing.T) {
	h, d := direct(t, Config{})
	const session = "6a1c4f0e-0000-4000-8000-000000000001"
	oldUser := `,"metadata":{"user_id":"user_` + strings.Repeat("0", 64) + `_account__session_` + session + `"}`
	newUser := `,"metadata":{"user_id":"{\"device_id\":\"d\",\"account_uuid\":\"\",\"session_id\":\"` + session + `\"}"}`
	cases := []struct {
		name, fields string
		header       []string
		want         string
	}{
		{"nobody", "", nil, ""},
		{"a person is not an agent", `,"user":"ann"`, nil, ""},
		{"X-Agent-ID is first", `,"session_id":"c"`, []string{"X-Agent-ID", "a", "X-Session-ID", "b"}, "a"},
		{"X-Session-ID is second", `,"session_id":"c"`, []string{"X-Session-ID", "b", "X-Claude-Code-Session-Id", "d"}, "b"},
		{"session_id is third", `,"session_id":"c"`, []string{"X-Claude-Code-Session-Id", "d"}, "c"},
		{"a session", newUser, []string{"X-Claude-Code-Session-Id", session}, session},
		{"an agent in a session", newUser, []string{"X-Claude-Code-Session-Id", session, "x-claude-code-agent-id", "a0123456789abcdef"}, session + ":a0123456789abcdef"},
		{"an agent without a session", "", []string{"x-claude-code-agent-id", "a0123456789abcdef"}, ""},
		{"a session that cannot be an id is passed over", "", []string{"X-Claude-Code-Session-Id", "../etc"}, ""},
	}
	for _, e := range endpoints {
		for _, c := range cases {
			t.Run(e.name+"/"+c.name, func(t *testing.T) {
				r, _ := ask(t, h, d, e.path, e.body(c.fields), c.header...)
				require.Equal(t, c.want, r.Agent)
			})
		}
	}
	for fields, want := range map[string]string{
		oldUser: session, newUser: session,
		`,"metadata":{"user_id":"ann_session_x"}`: "", `,"metadata":{"user_id":"{broken"}`: "", `,"metadata":{"user_id":null}`: "",
	} {
		r, _ := ask(t, h, d, "/v1/messages", anthropicBody(fields))
		require.Equal(t, want, r.Agent, fields)
	}
	r, _ := ask(t, h, d, "/v1/chat/completions", openaiBody(newUser))
	require.Empty(t, r.Agent, "metadata of the other dialect is the client's own")
}

func TestNamedIDsMustBeOnes(t *testing.T) {
	h, d := direct(t, Config{})
	for _, header := range []string{"X-Agent-ID", "X-Session-ID"} {
		for _, id := range []string{"../etc", "my agent", strings.Repeat("x", 129)} {
			a := h.post(t, "/v1/messages", anthropicBody(""), header, id)
			requireError(t, "anthropic", a, http.StatusBadRequest,
				header+" must have 1 to 128 printable ASCII characters without spaces, quotes and slashes, and must not start with a dot", "")
		}
	}
	require.Empty(t, d.calls)
}

func TestValidID(t *testing.T) {
	for _, id := range []string{"a", "agent-1", "a.b_c:d@e", strings.Repeat("x", 128), "~!#$%"} {
		require.True(t, validID(id), id)
	}
	for _, id := range []string{"", ".", "..", ".hidden", "a/b", `a\b`, "a b", "a\nb", "a\x00", "é", `"`, "'", strings.Repeat("x", 129)} {
		require.False(t, validID(id), id)
	}
}

func TestClassOfARequest(t *testing.T) {
	h, d := direct(t, Config{})
	for _, c := range []struct {
		header []string
		want   runtime.Class
	}{
		{nil, runtime.Interactive},
		{[]string{"X-Priority", "interactive"}, runtime.Interactive},
		{[]string{"X-Priority", "agent"}, runtime.SubAgent},
		{[]string{"X-Priority", "batch"}, runtime.Batch},
		{[]string{"X-Claude-Code-Session-ID", "s"}, runtime.Interactive},
		{[]string{"X-Claude-Code-Session-ID", "s", "X-Claude-Code-Agent-ID", "a1"}, runtime.SubAgent},
		{[]string{"X-Claude-Code-Session-ID", "s", "X-Claude-Code-Agent-ID", "a1", "X-Priority", "batch"}, runtime.Batch},
	} {
		for path, body := range map[string]string{"/v1/messages": anthropicBody(""), "/v1/chat/completions": openaiBody("")} {
			r, _ := ask(t, h, d, path, body, c.header...)
			require.Equal(t, c.want, r.Class, "%v", c.header)
		}
	}
	a := h.post(t, "/v1/messages", anthropicBody(""), "X-Priority", "urgent")
	requireError(t, "anthropic", a, http.StatusBadRequest, "X-Priority must be interactive, agent or batch", "")
}

// The class of a key is that of its requests, unless they ask for a less urgent one.
func TestAKeyBoundsTheClass(t *testing.T) {
	h, d := direct(t, Config{APIKeys: []string{"any", "boss", "helper", "night"}, KeyClasses: map[string]runtime.Class{
		"boss": runtime.Interactive, "helper": runtime.SubAgent, "night": runtime.Batch,
	}})
	for _, c := range []struct {
		key, header string
		want        runtime.Class
	}{
		{"any", "", runtime.Interactive},
		{"any", "agent", runtime.SubAgent},
		{"any", "batch", runtime.Batch},
		{"boss", "", runtime.Interactive},
		{"boss", "batch", runtime.Batch},
		{"helper", "", runtime.SubAgent},
		{"helper", "interactive", runtime.SubAgent},
		{"helper", "agent", runtime.SubAgent},
		{"helper", "batch", runtime.Batch},
		{"night", "", runtime.Batch},
		{"night", "interactive", runtime.Batch},
		{"night", "agent", runtime.Batch},
	} {
		d.stage(ended(runtime.FinishStop), hello...)
		headers := []string{"x-api-key", c.key}
		if c.header != "" {
			headers = append(headers, "x-priority", c.header)
		}
		require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", anthropicBody(""), headers...).status)
		require.Equal(t, c.want, d.last(t).Class, "%+v", c)
	}
}
