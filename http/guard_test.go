package http

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// Keys of the tests, and the names that their agents' ids begin with.
const (
	keyA, keyB, adminKey = "sk-key-of-ann", "sk-key-of-bob", "sk-key-of-the-house"
	ownerA, ownerB       = "6745dabdc3b10250", "e5904055f5716ee2"
)

// locked has two API keys and an admin key.
func locked() Config { return Config{APIKeys: []string{keyA, keyB}, AdminKey: adminKey} }

// routes are all that need an API key, and one that does not exist.
var lockedRoutes = []struct{ method, path string }{
	{"POST", "/v1/messages"}, {"POST", "/v1/messages?beta=true"}, {"POST", "/v1/messages/count_tokens"}, {"POST", "/v1/chat/completions"}, {"GET", "/v1/models"},
	{"GET", "/v1/models/org/tiny"}, {"GET", "/v1/nothing"}, {"DELETE", "/v1/messages"}, {"GET", "/V1/MESSAGES"}, {"GET", "/x"},
}

// TestWithoutAKey asks for every route without a key and with wrong ones. All answers to a route must be the same but for the request's id.
func TestWithoutAKey(t *testing.T) {
	h, d := direct(t, locked())
	wrong := [][]string{
		nil,
		{"X-Api-Key", ""},
		{"X-Api-Key", "wrong"},
		{"X-Api-Key", keyA + "x"},
		{"X-Api-Key", keyA[:len(keyA)-1]},
		{"X-Api-Key", strings.ToUpper(keyA)},
		{"X-Api-Key", adminKey},
		{"X-Admin-Key", keyA},
		{"Authorization", keyA},
		{"Authorization", "Basic " + keyA},
		{"Authorization", "Bearer"},
		{"Authorization", "Bearer wrong"},
		{"Authorization", "Bearer " + keyA + " " + keyA},
		{"X-Api-Key", "wrong", "Authorization", "Bearer wrong"},
		{"X-Api-Key", strings.Repeat("x", 8000)},
		{"X-Api-Key", keyA + "," + keyB},
		{"Cookie", "x-api-key=" + keyA},
	}
	const message = "this server needs a valid API key: send it as x-api-key, or as a bearer token in Authorization"
	for _, r := range lockedRoutes {
		for _, headers := range wrong {
			a := h.do(t, r.method, r.path, "{}", headers...)
			dialect := "openai"
			if strings.HasPrefix(r.path, "/v1/messages") {
				dialect = "anthropic"
			}
			requireError(t, dialect, a, http.StatusUnauthorized, message, "")
			require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
		}
	}
	a := h.get(t, "/v1/models?x-api-key="+keyA+"&api_key="+keyA)
	requireError(t, "openai", a, http.StatusUnauthorized, message, "")
	require.Empty(t, d.calls)
}

// TestPublicRoutes are what probes ask for; they need no key.
func TestPublicRoutes(t *testing.T) {
	h, _ := direct(t, locked())
	for _, path := range []string{"/", "/health", "/health/live", "/health/ready"} {
		require.Equal(t, http.StatusOK, h.get(t, path).status, path)
	}
}

func TestWithAKey(t *testing.T) {
	h, d := direct(t, locked())
	for _, c := range []struct {
		headers []string
		owner   string
	}{
		{[]string{"X-Api-Key", keyA}, ownerA},
		{[]string{"X-Api-Key", keyB}, ownerB},
		{[]string{"Authorization", "Bearer " + keyA}, ownerA},
		{[]string{"Authorization", "bearer   " + keyB}, ownerB},
		{[]string{"X-Api-Key", "dummy", "Authorization", "Bearer " + keyB}, ownerB}, // Claude Code sends both when both are set
		{[]string{"X-Api-Key", keyA, "Authorization", "Bearer " + keyB}, ownerA},
	} {
		for _, e := range endpoints {
			r, a := exchange(t, h, d, e.path, e.body(""), append(c.headers, "X-Agent-ID", "ada")...)
			require.Equal(t, c.owner+"/ada", r.Agent)
			require.Equal(t, "ada", a.header.Get("X-Agent-ID"), "the client's own name for it")
			r, a = exchange(t, h, d, e.path, e.body(""), c.headers...)
			require.Empty(t, r.Agent, "an anonymous agent has no name")
			require.Empty(t, a.header.Get("X-Agent-ID"))
		}
		require.Equal(t, http.StatusOK, h.get(t, "/v1/models", c.headers...).status)
		requireError(t, "openai", h.get(t, "/v1/nothing", c.headers...), http.StatusNotFound, "there is no GET /v1/nothing here", "")
	}
}

// TestWithoutKeys takes whatever a client shows: Claude Code insists on a key, and sends some.
func TestWithoutKeys(t *testing.T) {
	h, d := direct(t, Config{})
	r, _ := ask(t, h, d, "/v1/messages", anthropicBody(""), "X-Api-Key", "dummy", "X-Agent-ID", "ada")
	require.Equal(t, "ada", r.Agent)
}

// TestKeysStayOutOfTheLog serves and refuses at the finest level of the log.
func TestKeysStayOutOfTheLog(t *testing.T) {
	var log syncBuffer
	cfg := locked()
	cfg.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h, d := direct(t, cfg)
	ask(t, h, d, "/v1/messages", anthropicBody(""), "X-Api-Key", keyA)
	require.Equal(t, http.StatusUnauthorized, h.get(t, "/v1/models", "X-Api-Key", "sk-wrong").status)
	require.Equal(t, http.StatusOK, h.get(t, "/debug/pprof/", "X-Admin-Key", adminKey).status)
	require.NotEmpty(t, log.String())
	require.NotContains(t, log.String(), "sk-")
}

// TestRefusedBodies announces 100 MB without a key. They must not be waited for.
func TestRefusedBodies(t *testing.T) {
	h, _ := direct(t, locked())
	c := h.dial(t, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 104857600\r\n\r\n"+strings.Repeat(" ", 10<<10))
	require.Equal(t, http.StatusUnauthorized, readResponse(t, bufio.NewReader(c)).status)
}

// TestBrokenBodies ends the connection in the middle of a body that is too long to have been read ahead.
func TestBrokenBodies(t *testing.T) {
	h, d := direct(t, Config{})
	for _, head := range []string{"Content-Length: 20000\r\n\r\n" + anthropicBody("") + strings.Repeat(" ", 15000), "Transfer-Encoding: chunked\r\n\r\n50\r\n" + anthropicBody("")} {
		c := h.dial(t, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\n"+head)
		require.NoError(t, c.(*net.TCPConn).CloseWrite())
		a := readResponse(t, bufio.NewReader(c))
		requireError(t, "anthropic", a, http.StatusBadRequest, "the request is not valid HTTP: the body broke off: unexpected EOF", "")
	}
	require.Empty(t, d.calls)
}

func TestAdmin(t *testing.T) {
	h, _ := direct(t, Config{})
	requireError(t, "openai", h.get(t, "/debug/pprof/", "X-Admin-Key", ""), http.StatusNotFound, "there is no GET /debug/pprof/ here", "")

	h, _ = direct(t, locked())
	for _, headers := range [][]string{nil, {"X-Admin-Key", "wrong"}, {"X-Api-Key", keyA}, {"Authorization", "Bearer " + keyB}} {
		for _, path := range []string{"/debug/pprof/", "/DEBUG/pprof/", "/debug/pprof/heap", "/debug/nothing"} {
			requireError(t, "openai", h.get(t, path, headers...), http.StatusUnauthorized, "this needs the admin key: send it as X-Admin-Key", "")
		}
	}
	for _, headers := range [][]string{{"X-Admin-Key", adminKey}, {"X-Api-Key", adminKey}, {"Authorization", "Bearer " + adminKey}} {
		require.Contains(t, h.get(t, "/debug/pprof/", headers...).body, "goroutine")
		require.NotEqual(t, http.StatusOK, h.get(t, "/debug/pprof/cmdline", headers...).status, "keys may be on the command line")
	}
}

func TestKeyring(t *testing.T) {
	k := newKeyring("a", "", "b", "c")
	for _, c := range []struct {
		shown []string
		index int
	}{
		{nil, -1}, {[]string{""}, -1}, {[]string{"d"}, -1}, {[]string{"a"}, 0}, {[]string{"b"}, 1}, {[]string{"c"}, 2}, {[]string{"", "c"}, 2},
		{[]string{"d", "b"}, 1}, {[]string{"b", "a"}, 1}, {[]string{"a", "d"}, 0}, {[]string{"ab"}, -1},
	} {
		index, ok := k.match(c.shown...)
		require.Equal(t, c.index, index, "%q", c.shown)
		require.Equal(t, c.index >= 0, ok)
	}
	require.True(t, newKeyring("").empty())
	_, ok := newKeyring("").match("")
	require.False(t, ok)
}

func TestHosts(t *testing.T) {
	h, _ := direct(t, Config{Hosts: []string{"troupe.example", "192.0.2.7"}})
	get := func(head string) answer {
		c := h.dial(t, "GET "+head+"\r\n\r\n")
		return readResponse(t, bufio.NewReader(c))
	}
	for _, host := range []string{
		"localhost", "LocalHost:8000", "localhost.", "localhost.:8000", "a.localhost", "127.0.0.1", "127.0.0.1:8000", "127.1.2.3", "[::1]", "[::1]:8000",
		"[::ffff:127.0.0.1]:1", "troupe.example", "TROUPE.example:443", "192.0.2.7:80",
	} {
		require.Equal(t, http.StatusOK, get("/health HTTP/1.1\r\nHost: "+host).status, host)
	}
	for _, host := range []string{
		"evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "10.0.0.1", "0.0.0.0", "[::]", "a.troupe.example",
		"troupe.example.evil.example", "2130706433", "localhost@evil.example",
	} {
		a := get("/health HTTP/1.1\r\nHost: " + host)
		require.Equal(t, http.StatusForbidden, a.status, host)
		require.NotContains(t, a.body, `"status":"ok"`)
	}
	a := get("/health HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: localhost")
	requireError(t, "openai", a, http.StatusForbidden, `this server does not answer to the name "evil.example": --allowed-hosts adds one`, "")
	require.Equal(t, http.StatusForbidden, get("/health HTTP/1.0").status, "without a name")
	for _, host := range []string{"", "localhost/", "127.0.0.1:8000:9", "local host", "[::1"} { // are no names
		require.Equal(t, http.StatusBadRequest, get("/health HTTP/1.1\r\nHost: "+host).status, host)
	}
}

// TestHostsBeyondTheLoopback: there the network decides who may call, unless names are given.
func TestHostsBeyondTheLoopback(t *testing.T) {
	for _, c := range []struct {
		addr net.Addr
		want bool
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, true}, {&net.TCPAddr{IP: net.IPv6loopback}, true}, {&net.TCPAddr{IP: net.IPv4(127, 9, 9, 9)}, true},
		{&net.TCPAddr{IP: net.IPv4zero}, false}, {&net.TCPAddr{IP: net.IPv6zero}, false}, {&net.TCPAddr{}, false}, {&net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, false},
		{&net.UnixAddr{Name: "/run/troupe"}, true},
	} {
		require.Equal(t, c.want, IsLoopback(c.addr), c.addr)
	}
	h, _ := direct(t, Config{})
	h.onLoopback = false
	require.Equal(t, http.StatusOK, readResponse(t, bufio.NewReader(h.dial(t, "GET /health HTTP/1.1\r\nHost: troupe.example\r\n\r\n"))).status)
}

// TestOrigins has web pages call. Who may not read the answer may not change anything either.
func TestOrigins(t *testing.T) {
	h, d := direct(t, Config{CORSOrigins: []string{"http://localhost:3000", "https://app.example"}})
	for _, origin := range []string{"", "http://localhost:3000", "https://app.example", "HTTPS://APP.example", h.url} {
		_, a := exchange(t, h, d, "/v1/messages", anthropicBody(""), "Origin", origin)
		want := origin
		if origin == h.url {
			want = "" // a page of our own needs no leave
		}
		require.Equal(t, strings.ToLower(want), strings.ToLower(a.header.Get("Access-Control-Allow-Origin")))
		require.Empty(t, a.header.Get("Access-Control-Allow-Credentials"))
	}
	calls := len(d.calls)
	for _, origin := range []string{"http://evil.example", "null", "http://localhost:3001", "https://localhost:3000", "http://app.example", "https://app.example.evil.example", "file://", "x", "http://"} {
		a := h.post(t, "/v1/messages", anthropicBody(""), "Origin", origin, "Content-Type", "text/plain")
		requireError(t, "anthropic", a, http.StatusForbidden, fmt.Sprintf("pages of %q may not call this server: --cors-origins adds an origin", origin), "")
		require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
		require.Empty(t, h.get(t, "/health", "Origin", origin).header.Get("Access-Control-Allow-Origin"))
		a = h.do(t, http.MethodOptions, "/v1/messages", "", "Origin", origin, "Access-Control-Request-Method", "POST")
		require.Empty(t, a.header.Get("Access-Control-Allow-Origin"))
	}
	require.Len(t, d.calls, calls)
}

// TestCORSBeforeTheKey: a preflight has no key, and a page must be able to read that its key is wrong.
func TestCORSBeforeTheKey(t *testing.T) {
	cfg := locked()
	cfg.CORSOrigins = []string{"http://a.example"}
	h, _ := direct(t, cfg)
	a := h.do(t, http.MethodOptions, "/v1/agents/x", "", "Origin", "http://a.example", "Access-Control-Request-Method", "DELETE", "Access-Control-Request-Headers", "x-api-key")
	require.Equal(t, http.StatusNoContent, a.status)
	require.Equal(t, "http://a.example", a.header.Get("Access-Control-Allow-Origin"))
	require.Contains(t, a.header.Get("Access-Control-Allow-Methods"), "DELETE")
	require.Equal(t, "x-api-key", a.header.Get("Access-Control-Allow-Headers"))
	require.Empty(t, a.header.Get("Access-Control-Allow-Credentials"))
	a = h.post(t, "/v1/messages", "{}", "Origin", "http://a.example")
	require.Equal(t, http.StatusUnauthorized, a.status)
	require.Equal(t, "http://a.example", a.header.Get("Access-Control-Allow-Origin"))
}

func TestValidate(t *testing.T) {
	good := Config{
		APIKeys: []string{"a", "sk-ant-0123", strings.Repeat("x", maxKey)}, AdminKey: "~!@#$%^&*()", Hosts: []string{"troupe.example", "10.0.0.1", "fe80::1"},
		CORSOrigins: []string{"http://localhost:3000", "https://a.example", "http://[::1]:3000", "chrome-extension://abcdef", "app://obsidian.md"},
	}
	require.NoError(t, good.Validate())
	require.NotPanics(t, func() { New(good) })
	for _, key := range []string{"", "sk-secret with a space", "sk-secret\n", "sk-secrét", strings.Repeat("sk-secret", 100)} {
		err := Config{APIKeys: []string{"a", key}}.Validate()
		require.ErrorContains(t, err, "API key 2: a key must have ")
		require.NotContains(t, err.Error(), "secret")
		if key != "" {
			err = Config{AdminKey: key}.Validate()
			require.ErrorContains(t, err, "admin key: a key must have ")
			require.NotContains(t, err.Error(), "secret")
		}
	}
	for _, origin := range []string{"", "*", "null", "localhost:3000", "http://", "//a.example", "http://a.example/", "http://a.example/x", "http://*.example", "HTTP://a.example", "http://a.example?x", "http://u:p@a.example", "http://a b", "http://a,http://b"} {
		require.ErrorContains(t, Config{CORSOrigins: []string{origin}}.Validate(), "is not an origin", origin)
	}
	for _, host := range []string{"", "*", "*.example", "a.example:80", "A.example", "http://a.example", "a.example/", "a.example.", "[::1]", "a b", "u@a"} {
		require.ErrorContains(t, Config{Hosts: []string{host}}.Validate(), "is not a host name", host)
	}
}

// FuzzHeaders sends any values in the headers that we look at. Whatever they are, nobody without the key is served, no name of another machine is
// answered to, and every agent belongs to the key that was shown.
func FuzzHeaders(f *testing.F) {
	f.Add("localhost", "Bearer "+keyA, "", "", "ada")
	f.Add("evil.example", "", keyB, "http://evil.example", "../x")
	f.Add("[::1]:80", "Bearer", "x", "null", "a/b")
	cfg := locked()
	cfg.CORSOrigins = []string{"http://a.example"}
	h, d := direct(f, cfg)
	go func() {
		for s := range d.opened {
			s.play(ended(runtime.FinishStop), hello...)
		}
	}()
	f.Fuzz(func(t *testing.T, host, authorization, key, origin, agent string) {
		for _, v := range []string{host, authorization, key, origin, agent} {
			if strings.ContainsAny(v, "\r\n") {
				t.Skip("another header")
			}
		}
		d.mu.Lock()
		before := len(d.calls)
		d.mu.Unlock()
		c := h.dial(t, fmt.Sprintf("POST /v1/messages HTTP/1.1\r\nHost: %s\r\nAuthorization: %s\r\nX-Api-Key: %s\r\nOrigin: %s\r\nX-Agent-ID: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
			host, authorization, key, origin, agent, len(anthropicBody("")), anthropicBody("")))
		b, err := io.ReadAll(c)
		require.NoError(t, err)
		require.NotContains(t, string(b), "500 Internal")
		d.mu.Lock()
		defer d.mu.Unlock()
		if len(d.calls) == before {
			return
		}
		shown := strings.TrimSpace(key) == keyA || strings.TrimSpace(key) == keyB || strings.Contains(authorization, keyA) || strings.Contains(authorization, keyB)
		require.True(t, shown, "served without a key")
		require.True(t, loopbackName(hostName(strings.TrimSpace(host))), "served as %q", host)
		if id := d.calls[len(d.calls)-1].Agent; id != "" {
			owner, name, _ := strings.Cut(id, "/")
			require.Contains(t, []string{ownerA, ownerB}, owner)
			require.True(t, validID(name))
			require.Equal(t, name, clientID(id))
		}
	})
}
