package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
	"github.com/stretchr/testify/require"
)

// keeper answers the agents API by rote and keeps what it was sent.
type keeper struct {
	*httptest.Server
	asked []string // method, path with query, keys and body
}

const adaJSON = `{"id":"ada","object":"agent","state":"idle","tokens":12345,"blocks":{"hot":7,"shared":3,"disk":5},"bytes":4194304,` +
	`"last_used":"2023-11-14T22:13:20Z","requests":2,"cached_tokens":50,"pinned":true}`

const adaTable = `agent      ada
state      idle
tokens     12,345
blocks     7 in the pool, 3 of them shared; 5 on disk
size       4.0 MiB
last used  2023-11-14T22:13:20Z
requests   2, with 50 cached tokens
pinned     yes
`

func newKeeper(t *testing.T) *keeper {
	k := &keeper{}
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		k.asked = append(k.asked, strings.TrimSpace(fmt.Sprintf("%s %s %s%s %s", r.Method, r.RequestURI, r.Header.Get("X-Api-Key"), r.Header.Get("X-Admin-Key"), body)))
		switch {
		case strings.Contains(r.URL.Path, "nobody"):
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"error":{"message":"there is no such agent"}}`)
		case r.URL.Path == "/v1/agents" && r.URL.Query().Get("after") == "":
			fmt.Fprintf(w, "{\"object\":\"list\",\"data\":[%s],\"has_more\":true,\"next\":\"ada\"}\n", adaJSON)
		case r.URL.Path == "/v1/agents":
			fmt.Fprintf(w, "{\"object\":\"list\",\"data\":[%s],\"has_more\":false}\n", strings.Replace(adaJSON, "ada", `b\u001b[2J`, 1))
		case strings.HasSuffix(r.URL.Path, "broken/export"):
			w.Header().Set("Content-Length", "100")
			fmt.Fprint(w, "half")
		case strings.HasSuffix(r.URL.Path, "/export"):
			fmt.Fprint(w, "the file")
		default:
			fmt.Fprintln(w, adaJSON)
		}
	}))
	t.Cleanup(k.Close)
	return k
}

// agents runs a command against the server.
func (k *keeper) agents(stdin string, args ...string) (status int, out, errors string) {
	return try(stdin, append(append([]string{"agents"}, args...), "--url", k.URL+"/")...)
}

func TestAgentsCommands(t *testing.T) {
	for _, c := range []struct {
		args  []string
		asked string
	}{
		{[]string{"show", "ada"}, "GET /v1/agents/ada"},
		{[]string{"show", "a:b@c%d?"}, "GET /v1/agents/a:b@c%25d%3F"},
		{[]string{"save", "ada", "--api-key", "k"}, "POST /v1/agents/ada/save k"},
		{[]string{"hibernate", "ada"}, "POST /v1/agents/ada/hibernate"},
		{[]string{"fork", "ada", "eve"}, `POST /v1/agents/ada/fork  {"to":"eve"}`},
		{[]string{"pin", "ada"}, `POST /v1/agents/ada/pin  {"pinned":true}`},
		{[]string{"pin", "ada", "--off"}, `POST /v1/agents/ada/pin  {"pinned":false}`},
		{[]string{"import", "ada", "-", "--admin-key", "root"}, "POST /v1/agents/import?id=ada root the file"},
	} {
		k := newKeeper(t)
		status, out, errors := k.agents("the file", c.args...)
		require.Equal(t, 0, status, errors)
		require.Equal(t, []string{c.asked}, k.asked)
		require.Equal(t, adaTable, out)
		_, out, _ = k.agents("the file", append(c.args, "--json")...)
		require.Equal(t, adaJSON+"\n", out)
	}
}

func TestAgentsListFollowsThePages(t *testing.T) {
	k := newKeeper(t)
	status, out, errors := k.agents("", "list")
	require.Equal(t, 0, status, errors)
	require.Equal(t, []string{"GET /v1/agents?limit=1000&after=", "GET /v1/agents?limit=1000&after=ada"}, k.asked)
	lines := strings.Split(out, "\n")
	require.Regexp(t, `^AGENT +STATE +TOKENS +HOT +SHARED +DISK +SIZE +LAST USED +PINNED$`, lines[0])
	require.Regexp(t, `^ada +idle +12345 +7 +3 +5 +4\.0 MiB +.* ago +yes$`, lines[1])
	require.True(t, strings.HasPrefix(lines[2], "b[2J "), "ids must not steer the terminal: %q", lines[2])
	_, out, _ = k.agents("", "list", "--json")
	require.Equal(t, 2, strings.Count(out, `{"object":"list"`))
}

func TestAgentsRm(t *testing.T) {
	k := newKeeper(t)
	_, out, _ := k.agents("", "rm", "ada")
	require.Equal(t, "agent ada is forgotten\n", out)
	status, _, errors := k.agents("", "rm", "ada", "--keep-disk")
	require.Equal(t, 0, status, errors)
	require.Equal(t, []string{"DELETE /v1/agents/ada?keep_disk=false", "DELETE /v1/agents/ada?keep_disk=true"}, k.asked)
}

func TestAgentsExport(t *testing.T) {
	k := newKeeper(t)
	_, out, _ := k.agents("", "export", "ada", "-")
	require.Equal(t, "the file", out)
	file := filepath.Join(t.TempDir(), "a")
	status, out, errors := k.agents("", "export", "ada", file)
	require.Equal(t, 0, status, errors)
	require.Equal(t, "agent ada is in "+file+", 8 B\n", out)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "the file", string(text))

	// One that breaks off leaves what was there, and nothing else.
	status, _, errors = k.agents("", "export", "broken", file)
	require.Equal(t, exitFailed, status)
	require.Contains(t, errors, "the export broke off")
	text, err = os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "the file", string(text))
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, entries, 1)

	t.Chdir(t.TempDir())
	_, _, errors = k.agents("", "export", "ada")
	require.FileExists(t, "ada.troupe", errors)
}

func TestAgentsSayWhatIsWrong(t *testing.T) {
	k := newKeeper(t)
	for _, args := range [][]string{{"show", "nobody"}, {"rm", "nobody"}, {"export", "nobody"}, {"pin", "nobody"}} {
		status, _, errors := k.agents("", args...)
		require.Equal(t, exitFailed, status)
		require.Contains(t, errors, "there is no such agent (status 404)")
	}
	status, _, errors := k.agents("", "import", "ada", "/no/such/file")
	require.Equal(t, exitFailed, status)
	require.Contains(t, errors, "/no/such/file")
	k.Close()
	_, _, errors = k.agents("", "list", "--api-key", "sk-secret")
	require.Contains(t, errors, "is `troupe serve` running?")
	require.NotContains(t, errors, "sk-secret")
}

// TestVariablesOfClients: what the other commands read from the environment must not look like a misspelt setting of serve.
func TestVariablesOfClients(t *testing.T) {
	parser, err := kong.New(&commands{}, kong.PostBuild(serveFromEnvironment))
	require.NoError(t, err)
	flags, err := serveFlags(parser)
	require.NoError(t, err)
	require.NoError(t, checkEnvironment([]string{"TROUPE_URL=x", "TROUPE_API_KEY=x", "TROUPE_ADMIN_KEY=x"}, flags))
}

func TestChatShowsItsKey(t *testing.T) {
	key := ""
	s := newTalker(t)
	inner := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key = r.Header.Get("X-Api-Key")
		inner.ServeHTTP(w, r)
	})
	status, _, errors := try("Hello\n", "chat", "--url", s.URL, "--api-key", "k")
	require.Equal(t, 0, status, errors)
	require.Equal(t, "k", key)
}
