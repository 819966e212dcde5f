package http

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// route is one that the server has, with its parameters filled in.
type route struct {
	method, path string
	agent        bool // the path names an agent
}

// publicRoutes need no key; all others do.
var publicRoutes = []string{"/", "/health", "/health/live", "/health/ready", "/health/startup"}

// otherRoutes are behind a handler of a whole folder, or nowhere.
var otherRoutes = []route{
	{method: "GET", path: "/v1/nothing"}, {method: "DELETE", path: "/v1/messages"}, {method: "GET", path: "/V1/MESSAGES"}, {method: "POST", path: "/v1/messages?beta=true"},
	{method: "GET", path: "/v1/agents/"}, {method: "GET", path: "//v1/models"}, {method: "GET", path: "/x"}, {method: "PATCH", path: "/metrics"}, {method: "OPTIONS", path: "/v1/models"},
}

// adminRoutes need the admin key, as do those of the app below /admin; pprof is one handler for all of its own.
var adminRoutes = []route{{method: "GET", path: "/debug/pprof/"}, {method: "GET", path: "/DEBUG/pprof/"}, {method: "GET", path: "/debug/pprof/heap"}, {method: "GET", path: "/debug/nothing"}, {method: "GET", path: "/admin/nothing"}, {method: "POST", path: "/debug/pprof/symbol"}}

// routesOf asks the app which routes it has, so that none is forgotten here. Agents are those of the given name.
func routesOf(t *testing.T, s *Server, agent string) (open, locked, admin []route) {
	t.Helper()
	for _, r := range s.app.GetRoutes(true) { // without the handlers that are around others
		filled := strings.NewReplacer(":id", agent, "*", "org/tiny").Replace(r.Path)
		require.NotRegexp(t, `[:*+?]`, filled, "this test does not know how to fill in %s", r.Path)
		x := route{r.Method, filled, strings.Contains(r.Path, "/agents/:id")}
		switch {
		case slices.Contains(publicRoutes, r.Path):
			open = append(open, x)
		case strings.HasPrefix(r.Path, "/admin/") || strings.HasPrefix(r.Path, "/debug/"):
			admin = append(admin, x)
		default:
			locked = append(locked, x)
		}
	}
	return open, locked, admin
}

// alike is what two answers must have in common so that nobody can tell them apart: everything but the time.
func alike(a answer) string {
	header := a.header.Clone()
	header.Del("Date")
	var b bytes.Buffer
	_ = header.Write(&b) // never fails
	return fmt.Sprint(a.status, "\n", b.String(), "\n", a.body)
}

// TestEveryRouteNeedsItsKey asks for every route that the app has, without a key and with wrong ones. All answers to one are the same, whatever was
// shown, and nothing is reached.
func TestEveryRouteNeedsItsKey(t *testing.T) {
	h, c := staged(t, locked(), ownerA+"/ada")
	open, behind, admin := routesOf(t, h.Server, "ada")
	require.NotEmpty(t, open)
	require.Greater(t, len(behind), 15)
	wrong := [][]string{
		nil, {"X-Api-Key", ""}, {"X-Api-Key", "wrong"}, {"X-Api-Key", keyA + "x"}, {"X-Api-Key", keyA[:len(keyA)-1]}, {"Authorization", "Bearer wrong"},
		{"Authorization", "Basic " + keyA}, {"X-Admin-Key", keyA}, {"X-Admin-Key", adminKey}, {"X-Api-Key", adminKey}, {"X-Agent-ID", "ada"}, {"X-Agent-ID", ownerA + "/ada"},
	}
	const needsKey = "this server needs a valid API key: send it as x-api-key, or as a bearer token in Authorization"
	for _, r := range append(slices.Clone(behind), otherRoutes...) {
		first := ""
		for _, header := range wrong {
			a := h.do(t, r.method, r.path, `{"to":"eve"}`, header...)
			require.Equal(t, http.StatusUnauthorized, a.status, "%s %s %q", r.method, r.path, header)
			require.Equal(t, "Bearer", a.header.Get("WWW-Authenticate"))
			if r.method != http.MethodHead {
				require.Contains(t, a.body, needsKey)
			}
			if first == "" {
				first = alike(a)
			}
			require.Equal(t, first, alike(a), "%s %s %q", r.method, r.path, header)
		}
	}
	require.NotEmpty(t, admin)
	for _, r := range append(admin, adminRoutes...) {
		first := ""
		for _, header := range [][]string{nil, {"X-Admin-Key", "wrong"}, {"X-Admin-Key", keyA}, {"X-Api-Key", keyA}, {"Authorization", "Bearer " + keyB}} {
			a := h.do(t, r.method, r.path, "", header...)
			require.Equal(t, http.StatusUnauthorized, a.status, r.path)
			if first == "" {
				first = alike(a)
			}
			require.Equal(t, first, alike(a), r.path)
		}
	}
	require.Empty(t, c.calls)
	for _, r := range open {
		require.Contains(t, []int{http.StatusOK, http.StatusServiceUnavailable}, h.do(t, r.method, r.path, "").status, "%s needs no key", r.path)
	}
}

// TestAnotherOwnersAgentIsNotThere asks for an agent of another key, by every route that names one: the answer is the one for an agent that nobody has.
func TestAnotherOwnersAgentIsNotThere(t *testing.T) {
	var log syncBuffer
	cfg := locked()
	cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	h, c := staged(t, cfg, ownerB+"/bob")
	_, behind, _ := routesOf(t, h.Server, "bob")
	_, nowhere, _ := routesOf(t, h.Server, "nobody")
	asked := 0
	for i, r := range behind {
		if !r.agent {
			continue
		}
		asked++
		for _, name := range []string{r.path, strings.Replace(r.path, "bob", ownerB+"%2Fbob", 1)} {
			there := h.do(t, r.method, name, `{"to":"eve"}`, "X-Api-Key", keyA)
			missing := h.do(t, r.method, nowhere[i].path, `{"to":"eve"}`, "X-Api-Key", keyA)
			require.Equal(t, http.StatusNotFound, there.status, "%s %s", r.method, name)
			require.Equal(t, alike(missing), alike(there), "%s %s", r.method, name)
		}
	}
	require.GreaterOrEqual(t, asked, 8, "GET, HEAD, DELETE, save, hibernate, fork, pin, export")
	for _, call := range c.calls {
		require.Contains(t, call, " "+ownerA+"/")
	}
	require.NotContains(t, log.String(), ownerB)
	requireBody(t, h.get(t, "/v1/agents/bob", "X-Api-Key", keyB), agentJSON("bob", 0))
}
