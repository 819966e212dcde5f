package http

import (
	"encoding/json"
	"strings"

	"troupe/runtime"
)

// maxID is the length of the longest agent id.
const maxID = 128

// agentID says which agent a request belongs to, and "" if it is anonymous. The first of these that is there counts:
//
//   - header X-Agent-ID
//   - header X-Session-ID, or session_id in the body
//   - Claude Code's X-Claude-Code-Agent-ID within its X-Claude-Code-Session-ID; without an agent id, the session's main agent
//   - the session in Anthropic's metadata.user_id, which is what older Claude Codes send; it names the same agent as the header would
//
// Whoever names an agent by an id that cannot be one is told so: to serve it without its memory would be worse. What Claude Code and user_id name is
// no promise to us, so an id of theirs that cannot be one leaves the request anonymous. OpenAI's user field is not an identity: it names a person, who may
// run many agents.
func agentID(header func(string) string, b identityFields) (string, error) {
	for _, named := range []struct{ param, id string }{
		{"X-Agent-ID", header("X-Agent-ID")}, {"X-Session-ID", header("X-Session-ID")}, {"session_id", b.SessionID},
	} {
		if named.id == "" {
			continue
		}
		if !validID(named.id) {
			return "", errBadID(named.param)
		}
		return named.id, nil
	}
	session := header("X-Claude-Code-Session-ID")
	if agent := header("X-Claude-Code-Agent-ID"); session != "" && agent != "" {
		session += ":" + agent
	}
	for _, id := range []string{session, userSession(b.UserID)} {
		if validID(id) {
			return id, nil
		}
	}
	return "", nil
}

// classOf says how urgent a request is: what X-Priority names, else what a sub-agent of Claude Code asks, else the answer to somebody who waits for it.
// It is not more urgent than its key allows, see [Config.KeyClasses].
func classOf(header func(string) string) (runtime.Class, error) {
	if name := header("X-Priority"); name != "" {
		class, err := runtime.ParseClass(name)
		if err != nil {
			return 0, runtime.InvalidParam("X-Priority", "X-Priority must be interactive, agent or batch")
		}
		return class, nil
	}
	if header("X-Claude-Code-Agent-ID") != "" {
		return runtime.SubAgent, nil
	}
	return runtime.Interactive, nil
}

// identityFields are the parts of a body that can name an agent.
type identityFields struct {
	SessionID string
	UserID    string // metadata.user_id of the Anthropic dialect
}

// errBadID is the error for an id that cannot be one.
func errBadID(param string) error {
	return runtime.InvalidParam(param, "%s must have 1 to %d printable ASCII characters without spaces, quotes and slashes, and must not start with a dot", param, maxID)
}

// validID reports whether an id can name an agent: 1 to 128 printable ASCII characters without spaces, quotes and slashes, and not starting with a dot,
// so that it is safe in a log, a URL and a file name.
func validID(id string) bool {
	if id == "" || len(id) > maxID || id[0] == '.' {
		return false
	}
	for _, c := range []byte(id) {
		if c <= ' ' || c > '~' || strings.IndexByte(`/\"'`, c) >= 0 {
			return false
		}
	}
	return true
}

// userSession returns the session part of a Claude Code user id, in the form of before 2.1.80 ("user_<hash>_account__session_<uuid>") or after it (a
// JSON object), and "" for any other user id.
func userSession(userID string) string {
	if strings.HasPrefix(userID, "{") {
		var fields struct {
			SessionID string `json:"session_id"`
		}
		if json.Unmarshal([]byte(userID), &fields) != nil {
			return ""
		}
		return fields.SessionID
	}
	if _, session, ok := strings.Cut(userID, "_session_"); ok && strings.HasPrefix(userID, "user_") {
		return session
	}
	return ""
}
