package http

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
)

// cast is a house of agents that do nothing, with an archive of their names.
type cast struct {
	mu     sync.Mutex
	agents map[string]actors.AgentInfo
	calls  []string
	broken error // fails exports behind their beginning
}

func newCast(ids ...string) *cast {
	c := &cast{agents: map[string]actors.AgentInfo{}}
	for i, id := range ids {
		c.agents[id] = actors.AgentInfo{
			ID: id, State: "idle", Tokens: 100 + i, Hot: 7, Shared: 3, Disk: 5, Bytes: 4096, LastUsed: time.Unix(1_700_000_000, 0), Requests: 2, CachedTokens: 50,
		}
	}
	return c
}

// do notes a call and changes an agent that must be there.
func (c *cast) do(id, call string, change func(*actors.AgentInfo)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call+" "+id)
	a, ok := c.agents[id]
	if !ok {
		return runtime.Errorf(runtime.Unknown, "a message that says too much of %s", id)
	}
	change(&a)
	c.agents[id] = a
	return nil
}

func (c *cast) Agents(_ context.Context, prefix, after string, limit int) (page []actors.AgentInfo, next string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(c.agents)) {
		if !strings.HasPrefix(id, prefix) || id <= after {
			continue
		}
		if len(page) == limit {
			return page, page[limit-1].ID, nil
		}
		page = append(page, c.agents[id])
	}
	return page, "", nil
}

func (c *cast) Agent(_ context.Context, id string) (info actors.AgentInfo, err error) {
	err = c.do(id, "agent", func(a *actors.AgentInfo) { info = *a })
	return info, err
}

func (c *cast) Save(_ context.Context, id string) error {
	return c.do(id, "save", func(*actors.AgentInfo) {})
}

func (c *cast) Hibernate(_ context.Context, id string) error {
	return c.do(id, "hibernate", func(a *actors.AgentInfo) { a.State, a.Hot, a.Shared = "hibernated", 0, 0 })
}

func (c *cast) Pin(_ context.Context, id string, pinned bool) error {
	return c.do(id, fmt.Sprintf("pin(%t)", pinned), func(a *actors.AgentInfo) { a.Pinned = pinned })
}

func (c *cast) Fork(_ context.Context, from, to string) error {
	var info actors.AgentInfo
	if err := c.do(from, "fork", func(a *actors.AgentInfo) { info = *a }); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, taken := c.agents[to]; taken {
		return runtime.Errorf(runtime.Conflict, "there is an agent of that name")
	}
	info.ID = to
	c.agents[to] = info
	return nil
}

func (c *cast) Delete(_ context.Context, id string, keepDisk bool) error {
	if err := c.do(id, fmt.Sprintf("delete(%t)", keepDisk), func(*actors.AgentInfo) {}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.agents, id)
	return nil
}

func (c *cast) Cache(context.Context) (actors.CacheInfo, error) {
	return actors.CacheInfo{
		Blocks: 100, Free: 50, Leased: 20, Cached: 30, Shared: 10, BlockTokens: 16, BlockBytes: 4096, AgentsHot: 3, AgentsSaved: 4, Hits: 5, Misses: 6, Evictions: 7,
		Hibernations: 8, Restores: 9, SavedBytes: 11, RestoredBytes: 12,
		Disk: runtime.StoreUsage{Agents: 4, Blocks: 40, Bytes: 1 << 40, Budget: 1 << 41, Written: 13, Collected: 14, Quarantined: 15},
	}, nil
}

func (c *cast) Export(_ context.Context, id string, w io.Writer) error {
	if err := c.do(id, "export", func(*actors.AgentInfo) {}); err != nil {
		return err
	}
	_, err := io.WriteString(w, "agent "+id+strings.Repeat(".", 1<<20))
	if err == nil {
		err = c.broken
	}
	return err
}

func (c *cast) Import(_ context.Context, id string, r io.Reader) error {
	b, err := io.ReadAll(r)
	switch {
	case err != nil:
		return fmt.Errorf("import: %w", err)
	case !strings.HasPrefix(string(b), "agent "):
		return runtime.Errorf(runtime.Invalid, "this is not the file of an agent")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.agents[id] = actors.AgentInfo{ID: id, State: "hibernated", Disk: len(b), LastUsed: time.Unix(1_700_000_000, 0)}
	return nil
}

// staged starts a server with a cast.
func staged(t testing.TB, cfg Config, ids ...string) (*house, *cast) {
	t.Helper()
	h, d := direct(t, cfg)
	v, c := d.service(t), newCast(ids...)
	v.agents, v.archive = c, c
	h.attach(v)
	return h, c
}

// agentJSON is an agent of a new cast, at its place.
func agentJSON(id string, place int) string {
	return fmt.Sprintf(`{"id":%q,"object":"agent","state":"idle","tokens":%d,"blocks":{"hot":7,"shared":3,"disk":5},"bytes":4096,`+
		`"last_used":"2023-11-14T22:13:20Z","requests":2,"cached_tokens":50,"pinned":false}`, id, 100+place)
}

func requireBody(t *testing.T, a answer, want string) {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, "application/json", a.header.Get("content-type"))
	require.Equal(t, want, a.body)
}

func TestAgents(t *testing.T) {
	h, c := staged(t, Config{}, "ada", "bob", "a:b@c%d")
	requireBody(t, h.get(t, "/v1/agents/ada"), agentJSON("ada", 0))
	requireBody(t, h.get(t, "/v1/agents/"+url.PathEscape("a:b@c%d")), agentJSON("a:b@c%d", 2))
	requireBody(t, h.post(t, "/v1/agents/ada/save", ""), agentJSON("ada", 0))
	hibernated := strings.NewReplacer("idle", "hibernated", `"hot":7,"shared":3`, `"hot":0,"shared":0`).Replace(agentJSON("ada", 0))
	requireBody(t, h.post(t, "/v1/agents/ada/hibernate", ""), hibernated)

	pinned := strings.Replace(hibernated, `"pinned":false`, `"pinned":true`, 1)
	requireBody(t, h.post(t, "/v1/agents/ada/pin", ""), pinned)
	requireBody(t, h.post(t, "/v1/agents/ada/pin", `{"pinned":false}`), hibernated)
	requireBody(t, h.post(t, "/v1/agents/ada/pin", `{}`), pinned)

	requireBody(t, h.post(t, "/v1/agents/bob/fork", `{"to":"bobby"}`), agentJSON("bobby", 1))
	requireError(t, "openai", h.post(t, "/v1/agents/bob/fork", `{"to":"ada"}`), http.StatusConflict, "there is an agent of that name", "")

	requireBody(t, h.do(t, http.MethodDelete, "/v1/agents/bob?keep_disk=true", ""), `{"id":"bob","object":"agent.deleted","deleted":true}`)
	requireBody(t, h.do(t, http.MethodDelete, "/v1/agents/bobby", ""), `{"id":"bobby","object":"agent.deleted","deleted":true}`)
	require.Subset(t, c.calls, []string{"save ada", "hibernate ada", "pin(true) ada", "pin(false) ada", "delete(true) bob", "delete(false) bobby"})
	requireError(t, "openai", h.get(t, "/v1/agents/bob"), http.StatusNotFound, "there is no such agent", "")
}

func TestPagesOfAgents(t *testing.T) {
	h, _ := staged(t, Config{}, "a", "b", "c", "a/1", "a/2", "a/3", "bb/1") // some were made with keys, and are not ours
	list := func(more string, ids ...string) string {
		var data []string
		for _, id := range ids {
			data = append(data, agentJSON(id, int(id[0]-'a')))
		}
		return `{"object":"list","data":[` + strings.Join(data, ",") + `],` + more + `}`
	}
	requireBody(t, h.get(t, "/v1/agents"), list(`"has_more":false`, "a", "b", "c"))
	requireBody(t, h.get(t, "/v1/agents?limit=2"), list(`"has_more":true,"next":"b"`, "a", "b"))
	requireBody(t, h.get(t, "/v1/agents?limit=2&after=b"), list(`"has_more":false`, "c"))
	requireBody(t, h.get(t, "/v1/agents?after=c"), list(`"has_more":false`))
}

func TestCacheTotals(t *testing.T) {
	h, _ := staged(t, Config{})
	requireBody(t, h.get(t, "/v1/cache"), `{"blocks":{"total":100,"free":50,"leased":20,"cached":30,"shared":10,"tokens":16,"bytes":4096},"agents":{"hot":3,"saved":4},`+
		`"prompt_tokens":{"cached":5,"computed":6},"evictions":7,"hibernations":8,"restores":9,"saved_bytes":11,"restored_bytes":12,`+
		`"disk":{"agents":4,"blocks":40,"bytes":1099511627776,"budget":2199023255552,"written":13,"collected":14,"quarantined":15}}`)
}

func TestBadAgentRequests(t *testing.T) {
	h, c := staged(t, Config{}, "ada")
	for _, r := range []struct{ method, path, body, message, param string }{
		{"GET", "/v1/agents?limit=0", "", `limit must be a number from 1 to 1000, not "0"`, "limit"},
		{"GET", "/v1/agents?limit=1001", "", `limit must be a number from 1 to 1000, not "1001"`, "limit"},
		{"GET", "/v1/agents?limit=x", "", `limit must be a number from 1 to 1000, not "x"`, "limit"},
		{"GET", "/v1/agents?after=..", "", "after must be the id of an agent", "after"},
		{"GET", "/v1/agents?after=" + ownerA + "%2Fada", "", "after must be the id of an agent", "after"},
		{"DELETE", "/v1/agents/ada?keep_disk=maybe", "", `keep_disk must be true or false, not "maybe"`, "keep_disk"},
		{"POST", "/v1/agents/ada/fork", "", "the request body is empty: send a JSON object", ""},
		{"POST", "/v1/agents/ada/fork", "{}", badID("to"), "to"},
		{"POST", "/v1/agents/ada/fork", `{"to":"../x"}`, badID("to"), "to"},
		{"POST", "/v1/agents/ada/fork", `{"to":7}`, "to must be a string, not number", "to"},
		{"POST", "/v1/agents/ada/pin", `{"pinned":"yes"}`, "pinned must be true or false, not string", "pinned"},
		{"POST", "/v1/agents/import", "agent", badID("id"), "id"},
		{"POST", "/v1/agents/import?id=a%2Fb", "agent", badID("id"), "id"},
		{"POST", "/v1/agents/import?id=ben", "", "this is not the file of an agent", ""},
	} {
		requireError(t, "openai", h.do(t, r.method, r.path, r.body), http.StatusBadRequest, r.message, r.param)
	}
	require.Subset(t, []string{"agent ben"}, c.calls, "nothing but whether the name is free")
}

func badID(param string) string { return errBadID(param).Error() }

// TestForeignAgents asks for every agent that is not there, that cannot be or that is another's, by every route. The answers must not differ.
func TestForeignAgents(t *testing.T) {
	h, c := staged(t, locked(), ownerA+"/ada", ownerB+"/bob", "ownerless")
	ids := []string{
		"bob", "nobody", "ownerless", ownerB, ownerB + "%2Fbob", "..%2F" + ownerB + "%2Fbob", "%2e%2e", ".hidden", "a%00b", "a%0Ab", "%C3%A9", strings.Repeat("x", 129), "%zz",
		"x%27y", "x%22y", "x%5Cy", "x%20y",
	}
	for _, id := range ids {
		for _, r := range []struct{ method, path, body string }{
			{"GET", "", ""}, {"DELETE", "", ""}, {"DELETE", "?keep_disk=true", ""}, {"POST", "/save", ""}, {"POST", "/hibernate", ""}, {"POST", "/fork", `{"to":"x"}`},
			{"POST", "/pin", ""}, {"GET", "/export", ""},
		} {
			// As bytes, because a client of Go's library would tidy the path.
			conn := h.dial(t, fmt.Sprintf("%s /v1/agents/%s%s HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: %s\r\nContent-Length: %d\r\n\r\n%s", r.method, id, r.path, keyA, len(r.body), r.body))
			a := readResponse(t, bufio.NewReader(conn))
			requireError(t, "openai", a, http.StatusNotFound, "there is no such agent", "")
			require.NoError(t, conn.Close())
		}
	}
	require.Len(t, c.agents, 3)
	requireBody(t, h.get(t, "/v1/agents", "X-Api-Key", keyA), `{"object":"list","data":[`+agentJSON("ada", 0)+`],"has_more":false}`)
	requireBody(t, h.get(t, "/v1/agents/bob", "X-Api-Key", keyB), agentJSON("bob", 1))
	requireBody(t, h.post(t, "/v1/agents/bob/fork", `{"to":"ada"}`, "X-Api-Key", keyB), agentJSON("ada", 1)) // a name that another key has taken
	require.Contains(t, c.agents, ownerB+"/ada")
}

func TestExportAndImport(t *testing.T) {
	h, c := staged(t, Config{BodyLimit: 1000}, "ada")
	a := h.get(t, "/v1/agents/ada/export")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "application/octet-stream", a.header.Get("content-type"))
	require.Equal(t, `attachment; filename="ada.troupe"`, a.header.Get("content-disposition"))
	require.Equal(t, "agent ada"+strings.Repeat(".", 1<<20), a.body)
	require.Contains(t, c.calls, "save ada", "what is not on disk yet must be in the file")

	b := h.post(t, "/v1/agents/import?id=eve", a.body) // far beyond the limit of other bodies
	require.Equal(t, http.StatusOK, b.status, b.body)
	require.Equal(t, len(a.body), c.agents["eve"].Disk)
	require.Contains(t, b.body, `"id":"eve"`)
	b = h.post(t, "/v1/agents/import?id=ada", a.body)
	requireError(t, "openai", b, http.StatusConflict, `there is an agent "ada" already: delete it first, or import as another one`, "")
	require.Equal(t, 5, c.agents["ada"].Disk)
}

// TestBrokenExport must not look whole.
func TestBrokenExport(t *testing.T) {
	h, c := staged(t, Config{}, "ada")
	c.broken = errors.New("a bad block")
	resp, err := h.client.Get(h.url + "/v1/agents/ada/export")
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	_, err = io.ReadAll(resp.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// TestLeftExport: a client that leaves must not leave an export behind, which the check for goroutines would find.
func TestLeftExport(t *testing.T) {
	h, _ := staged(t, Config{WriteTimeout: 50 * time.Millisecond}, "ada")
	c := h.dial(t, "GET /v1/agents/ada/export HTTP/1.1\r\nHost: localhost\r\n\r\n")
	require.NoError(t, c.(*net.TCPConn).SetReadBuffer(1<<12))
	_, err := bufio.NewReaderSize(c, 16).ReadByte()
	require.NoError(t, err)
	require.NoError(t, c.Close())
}

// TestBrokenImport ends in the middle of a file, and pauses in another one for too long. Neither may be taken for a whole.
func TestBrokenImport(t *testing.T) {
	h, c := staged(t, Config{ReadTimeout: 50 * time.Millisecond})
	for _, head := range []string{"Content-Length: 100\r\n\r\nagent", "Transfer-Encoding: chunked\r\n\r\n5\r\nagent\r\n"} {
		conn := h.dial(t, "POST /v1/agents/import?id=eve HTTP/1.1\r\nHost: localhost\r\n"+head)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		requireError(t, "openai", readResponse(t, bufio.NewReader(conn)), http.StatusBadRequest, "the request is not valid HTTP: the body broke off: unexpected EOF", "")

		conn = h.dial(t, "POST /v1/agents/import?id=eve HTTP/1.1\r\nHost: localhost\r\n"+head)
		requireError(t, "openai", readResponse(t, bufio.NewReader(conn)), http.StatusRequestTimeout, "the request did not arrive within 50ms", "")
	}
	require.Empty(t, c.agents)
}

// TestWhoMayImport: a file may say anything, so it is for the administrator, unless the server is open anyway.
func TestWhoMayImport(t *testing.T) {
	const path = "/v1/agents/import?id=eve"
	h, _ := staged(t, Config{APIKeys: []string{keyA}})
	requireError(t, "openai", h.post(t, path, "agent x", "X-Api-Key", keyA), http.StatusNotFound, "there is no POST /v1/agents/import here", "")

	h, c := staged(t, locked())
	require.Equal(t, http.StatusUnauthorized, h.post(t, path, "agent x", "X-Admin-Key", adminKey).status, "whose agent?")
	require.Equal(t, http.StatusUnauthorized, h.post(t, path, "agent x", "X-Api-Key", keyA).status)
	require.Equal(t, http.StatusUnauthorized, h.post(t, path, "agent x", "X-Api-Key", keyA, "X-Admin-Key", "wrong").status)
	require.Empty(t, c.agents)
	require.Equal(t, http.StatusOK, h.post(t, path, "agent x", "X-Api-Key", keyA, "X-Admin-Key", adminKey).status)
	require.Contains(t, c.agents, ownerA+"/eve")

	h, _ = staged(t, Config{AdminKey: adminKey})
	require.Equal(t, http.StatusUnauthorized, h.post(t, path, "agent x").status)
	require.Equal(t, http.StatusOK, h.post(t, path, "agent x", "X-Admin-Key", adminKey).status)
}

// TestNoAgents is a house without the API.
func TestNoAgents(t *testing.T) {
	h, _ := direct(t, Config{})
	for _, path := range []string{"/v1/agents", "/v1/agents/ada", "/v1/cache", "/v1/agents/ada/export"} {
		requireError(t, "openai", h.get(t, path), http.StatusNotFound, "there is no GET "+path+" here", "")
	}
	h = open(t, Config{})
	require.Equal(t, http.StatusServiceUnavailable, h.get(t, "/v1/agents").status)
}

// FuzzAgentIDs asks for agents by any name. Whatever it is, no other owner's agent is touched.
func FuzzAgentIDs(f *testing.F) {
	for _, id := range []string{"ada", "../" + ownerB + "/bob", ownerB + "%2Fbob", "%2e%2e%2f", "a%00", "ada/save", "ada?keep_disk=true", "%", "import", "\xff"} {
		f.Add(id)
	}
	h, c := staged(f, locked(), ownerA+"/ada", ownerB+"/bob")
	f.Fuzz(func(t *testing.T, id string) {
		if strings.ContainsAny(id, " \r\n") {
			t.Skip("another request")
		}
		conn := h.dial(t, fmt.Sprintf("POST /v1/agents/%s/pin HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: %s\r\nConnection: close\r\n\r\n", id, keyA))
		require.NotContains(t, readAll(t, conn), " 500 ")
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, call := range c.calls {
			require.Contains(t, call, " "+ownerA+"/")
		}
		require.False(t, c.agents[ownerB+"/bob"].Pinned)
	})
}
