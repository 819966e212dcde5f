package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/tests/troupetest"
)

// bad is a request that is refused in both dialects, and a part of the message that says what to change.
type bad struct {
	name, body string
	status     int
	says       string
}

const hello = `"messages":[{"role":"user","content":"Hello!"}]`

func badRequests() []bad {
	stops := `["` + strings.Repeat(`x","`, 999) + `x"]`
	return []bad{
		{"malformed JSON", `{"model":`, 400, "not valid JSON"},
		{"no JSON at all", ``, 400, "empty"},
		{"not an object", `[1,2]`, 400, "an object"},
		{"messages of a wrong type", `{"max_tokens":8,"messages":"Hello!"}`, 400, "messages"},
		{"content of a wrong type", `{"max_tokens":8,"messages":[{"role":"user","content":7}]}`, 400, "content"},
		{"empty messages", `{"max_tokens":8,"messages":[]}`, 400, "messages"},
		{"unknown role", `{"max_tokens":8,"messages":[{"role":"wizard","content":"Hello!"}]}`, 400, "role"},
		{"negative max_tokens", `{"max_tokens":-1,` + hello + `}`, 400, "max_tokens"},
		{"max_tokens of a wrong type", `{"max_tokens":"many",` + hello + `}`, 400, "max_tokens"},
		{"max_tokens beyond any integer", `{"max_tokens":1e300,` + hello + `}`, 400, "max_tokens"},
		{"NaN", `{"max_tokens":8,"temperature":NaN,` + hello + `}`, 400, "not valid JSON"},
		{"temperature out of range", `{"max_tokens":8,"temperature":-1,` + hello + `}`, 400, "temperature"},
		{"invalid UTF-8", `{"max_tokens":8,"messages":[{"role":"user","content":"` + "\xff\xfe" + `"}]}`, 400, "UTF-8"},
		{"a thousand stop strings", `{"max_tokens":8,"stop":` + stops + `,"stop_sequences":` + stops + `,` + hello + `}`, 400, "stop"},
		{"deep nesting", `{"max_tokens":8,"x":` + strings.Repeat("[", 100000) + strings.Repeat("]", 100000) + `,` + hello + `}`, 400, "nested"},
		{"prompt beyond the context", `{"max_tokens":8,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 20000) + `"}]}`, 400, "prompt is too long"},
	}
}

// TestBadInputHarmsNobody sends everything that is wrong while a stream runs, and compares the stream with one that ran in peace.
func TestBadInputHarmsNobody(t *testing.T) {
	s := troupetest.Start(t)
	long := troupetest.Request{Messages: troupetest.User("Count from one to ten."), MaxTokens: 800, IgnoreEOS: true, Stream: true}
	peace := troupetest.MustChat(t, s.URL, "peace", long)
	stream, err := troupetest.Open(t.Context(), s.URL, "storm", long)
	require.NoError(t, err)
	defer stream.Close()
	require.NoError(t, stream.Until(""))

	for _, b := range badRequests() {
		for _, path := range []string{troupetest.OpenAI, troupetest.Anthropic} {
			t.Run(b.name+path, func(t *testing.T) { refused(t, s.URL, path, b) })
		}
	}
	t.Run("a body of 100 MB", func(t *testing.T) { hugeBody(t, s.URL) })
	t.Run("half a header and silence", func(t *testing.T) { dial(t, s.URL, "POST /v1/messages HT") })
	t.Run("half a body and silence", func(t *testing.T) {
		dial(t, s.URL, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{")
	})
	t.Run("a half-closed socket", func(t *testing.T) { halfClosed(t, s.URL) })
	t.Run("unusual but fine", func(t *testing.T) { fine(t, s.URL) })

	require.NotContains(t, s.Log(), `"agent":"storm"`, "the stream runs all the time: it is not logged as ended yet")
	answer, err := stream.Rest()
	require.NoError(t, err)
	require.Equal(t, peace.Text, answer.Text, "the stream is what it is in peace")
	require.Equal(t, "length", answer.Finish)
	require.NotContains(t, s.Log(), `"level":"ERROR"`)
	s.Stop()
}

// refused sends a bad request and checks the status and the error body of the dialect.
func refused(t *testing.T, url, path string, b bad) {
	resp, err := troupetest.Post(t.Context(), url+path, "", strings.NewReader(b.body))
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, b.status, resp.StatusCode, "%s", text)
	errorBody(t, path, text, b.says)
}

func errorBody(t *testing.T, path string, text []byte, says string) {
	t.Helper()
	var body struct {
		Type  string
		Error struct{ Type, Message string }
	}
	require.NoError(t, json.Unmarshal(text, &body), "%s", text)
	require.Contains(t, body.Error.Message, says)
	require.NotEmpty(t, body.Error.Type)
	if path == troupetest.Anthropic {
		require.Equal(t, "error", body.Type)
	} else {
		require.Empty(t, body.Type)
	}
}

// hugeBody sends until the server has answered and hangs up.
func hugeBody(t *testing.T, url string) {
	conn := dial(t, url, "POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 104857600\r\n\r\n")
	go func() {
		_, _ = io.CopyN(conn, endless('x'), 100<<20) // fails when the server has had enough
	}()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusRequestEntityTooLarge, resp.StatusCode)
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	errorBody(t, troupetest.Anthropic, text, "larger than")
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

// halfClosed asks and shuts its writing side down, which the server takes for leaving: no answer of status 200 comes.
func halfClosed(t *testing.T, url string) {
	body := `{"max_tokens":500,"ignore_eos":true,` + hello + `}`
	conn := dial(t, url, fmt.Sprintf("POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
	require.NoError(t, conn.CloseWrite())
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	require.Equal(t, http.StatusBadRequest, resp.StatusCode)
}

// dial opens a connection that says something and stays open until the test ends.
func dial(t *testing.T, url, says string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, says)
	require.NoError(t, err)
	return conn.(*net.TCPConn)
}

// fine sends what looks odd and is to be served.
func fine(t *testing.T, url string) {
	for _, body := range []string{
		`{"model":"claude-haiku-4-5-20251001","max_tokens":8,` + hello + `}`,
		`{"max_tokens":2000000000,` + hello + `}`,
		`{"max_tokens":8.0,"no_such_field":{"a":[1,2,3]},` + hello + `}`,
		`{"max_tokens":8,"messages":[{"role":"user","content":[{"type":"text","text":"Hello!"}]}]}`,
	} {
		for _, path := range []string{troupetest.OpenAI, troupetest.Anthropic} {
			resp, err := troupetest.Post(t.Context(), url+path, "", strings.NewReader(body))
			require.NoError(t, err)
			text, err := io.ReadAll(resp.Body)
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, http.StatusOK, resp.StatusCode, "%s: %s", body, text)
		}
	}
}

func TestStrictModelsRefuseOtherNames(t *testing.T) {
	s := troupetest.Start(t, "--strict-models")
	for _, path := range []string{troupetest.OpenAI, troupetest.Anthropic} {
		refused(t, s.URL, path, bad{body: `{"model":"gpt-9","max_tokens":8,` + hello + `}`, status: http.StatusNotFound, says: "starter"})
	}
	troupetest.MustChat(t, s.URL, "", troupetest.Request{Messages: troupetest.User("Hello!"), MaxTokens: 8})
}

func TestAPromptLargerThanThePoolIsRefused(t *testing.T) {
	s := troupetest.Start(t, "--kv-memory", "1MiB") // 512 tokens
	refused(t, s.URL, troupetest.OpenAI, bad{
		body: `{"max_tokens":8,"messages":[{"role":"user","content":"` + strings.Repeat("word ", 2000) + `"}]}`, status: http.StatusRequestEntityTooLarge, says: "token",
	})
	troupetest.MustChat(t, s.URL, "", troupetest.Request{Messages: troupetest.User("Hello!"), MaxTokens: 8})
}
