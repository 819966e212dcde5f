package http

import (
	"bufio"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/chat"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
	"troupe/runtime/tokenizer"
)

var rewrite = flag.Bool("rewrite", false, "write the golden files anew")

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp's janitors sleep for up to ten seconds before they see that the server has ended, and its clock runs for ever.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"))
}

// patience bounds a test that waits for what must come. No test passes because it ran out.
const patience = 20 * time.Second

// template is ChatML with tools, in a form that shows all that templates see.
const template = `{%- for t in tools or [] %}<|im_start|>tool {{ t | tojson }}<|im_end|>
{% endfor %}{% for m in messages %}<|im_start|>{{ m.role }}{{ ' ' ~ m.name if m.name }}
{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>{{ c.function.name }} {{ c.function.arguments | tojson }}</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{{ suffix or '' }}{% endif %}`

// newModel makes a model whose tokens are bytes, but for the two of ChatML.
func newModel(t testing.TB) *model.Model {
	t.Helper()
	vocab := map[string]int{}
	next := 256
	for b := range 256 { // GPT-2's alphabet: bytes that print stand for themselves, the others follow at 256
		r := rune(b)
		if !(b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae && b <= 0xff) {
			r = rune(next)
			next++
		}
		vocab[string(r)] = b
	}
	added := []map[string]any{}
	for i, s := range []string{"<|im_start|>", "<|im_end|>"} {
		added = append(added, map[string]any{"id": 256 + i, "content": s, "special": true, "normalized": false, "lstrip": false, "rstrip": false, "single_word": false})
	}
	bytelevel := map[string]any{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}
	file, err := json.Marshal(map[string]any{
		"version": "1.0", "added_tokens": added, "normalizer": nil, "pre_tokenizer": bytelevel, "post_processor": nil, "decoder": bytelevel,
		"model": map[string]any{"type": "BPE", "vocab": vocab, "merges": []string{}, "byte_fallback": false, "fuse_unk": false},
	})
	require.NoError(t, err)
	tok, err := tokenizer.Parse(file)
	require.NoError(t, err)
	tmpl, err := chat.Parse(template)
	require.NoError(t, err)
	return &model.Model{
		ID: "org/tiny", Created: time.Unix(1_700_000_000, 0), Tokenizer: tok, Template: tmpl, EOS: "<|im_end|>", StopIDs: []int32{257},
		Context: 4096, Defaults: runtime.Sampling{Temperature: 0.5, TopP: 0.9},
	}
}

// director is a generator whose streams a test plays by hand.
type director struct {
	mu     sync.Mutex
	calls  []actors.Request
	opened chan *scene
	refuse error // instead of a stream
	panics bool
	now    actors.Stats
	mute   bool // gives no stats
}

// scene is one stream of a director. Like a real one it ends when its context does.
type scene struct {
	actors.Request
	ctx    context.Context
	events chan actors.Event
	mu     sync.Mutex // protects the following fields, and sending on events
	over   bool
	out    actors.Outcome
}

func (s *scene) Events() <-chan actors.Event { return s.events }
func (s *scene) Outcome() actors.Outcome     { return s.out }

// tell sends events.
func (s *scene) tell(events ...actors.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range events {
		if !s.over {
			s.events <- e
		}
	}
}

// offer sends an event if there is room for it at once.
func (s *scene) offer(e actors.Event) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	select {
	case s.events <- e:
		return true
	default:
		return false
	}
}

// end ends the stream; the first call counts.
func (s *scene) end(out actors.Outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		s.over, s.out = true, out
		close(s.events)
	}
}

// play sends events and ends the stream.
func (s *scene) play(out actors.Outcome, events ...actors.Event) {
	s.tell(events...)
	s.end(out)
}

func newDirector() *director { return &director{opened: make(chan *scene, 64)} }

func (d *director) generate(ctx context.Context, r actors.Request) (stream, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls = append(d.calls, r)
	if d.panics {
		panic("as the test wanted")
	}
	if d.refuse != nil {
		return nil, d.refuse
	}
	s := &scene{Request: r, ctx: ctx, events: make(chan actors.Event, 64)}
	context.AfterFunc(ctx, func() { s.end(actors.Outcome{Err: ctx.Err()}) })
	d.opened <- s
	return s, nil
}

func (d *director) service(t testing.TB) *service {
	return &service{model: newModel(t), generate: d.generate, stats: d.stats}
}

func (d *director) stats(ctx context.Context) (actors.Stats, error) {
	d.mu.Lock()
	stats, mute := d.now, d.mute
	d.mu.Unlock()
	if mute {
		<-ctx.Done()
		return actors.Stats{}, ctx.Err()
	}
	return stats, nil
}

// set changes the numbers of the house.
func (d *director) set(s actors.Stats, mute bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now, d.mute = s, mute
}

// last returns the last request that came.
func (d *director) last(t testing.TB) actors.Request {
	d.mu.Lock()
	defer d.mu.Unlock()
	require.NotEmpty(t, d.calls, "nothing was generated")
	return d.calls[len(d.calls)-1]
}

// stage plays the next stream whenever it comes.
func (d *director) stage(out actors.Outcome, events ...actors.Event) {
	go func() {
		if s, ok := <-d.opened; ok {
			s.play(out, events...)
		}
	}()
}

// begin starts the next stream whenever it comes, and hands it on.
func (d *director) begin(events ...actors.Event) <-chan *scene {
	begun := make(chan *scene, 1)
	go func() {
		if s, ok := <-d.opened; ok {
			s.tell(events...)
			begun <- s
		}
	}()
	return begun
}

// next waits for the next stream.
func (d *director) next(t testing.TB) *scene {
	t.Helper()
	return receive(t, d.opened)
}

// receive waits for a value.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		require.FailNow(t, "nothing came")
		panic("unreachable")
	}
}

// house is a server that listens on the loopback.
type house struct {
	*Server
	url    string
	addr   string
	client *http.Client
}

// open starts a server without a model.
func open(t testing.TB, cfg Config) *house {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.PingInterval == 0 {
		cfg.PingInterval = time.Hour // pings only where a test wants them
	}
	s := New(cfg)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	transport := &http.Transport{}
	h := &house{Server: s, addr: ln.Addr().String(), client: &http.Client{Transport: transport}}
	h.url = "http://" + h.addr
	h.get(t, "/health/live") // Shutdown before Serve would be lost
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		require.NoError(t, receive(t, served))
	})
	return h
}

// direct starts a server on a director, with ids and the time pinned.
func direct(t testing.TB, cfg Config) (*house, *director) {
	t.Helper()
	h, d := open(t, cfg), newDirector()
	t.Cleanup(func() { close(d.opened) })
	h.now = func() time.Time { return time.Unix(1_700_000_001, 0) }
	h.newID = func(prefix string) string { return prefix + "0001" }
	h.attach(d.service(t))
	return h, d
}

// live starts a server on real actors and a fake engine.
func live(t testing.TB, cfg Config, o enginetest.Options, a actors.Config) *house {
	t.Helper()
	m := newModel(t)
	o.Vocab, o.Context = m.Tokenizer.VocabSize(), m.Context
	if o.Blocks == 0 {
		o.Blocks = 1024
	}
	a.Engine, a.Model = enginetest.NewFake(o), m
	sys, err := actors.Start(a)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, sys.Close()) })
	h := open(t, cfg)
	h.Attach(m, sys, nil)
	return h
}

// answer is what came back, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

func (h *house) do(t testing.TB, method, path, body string, header ...string) answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, h.url+path, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := h.client.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, strings.TrimSuffix(string(b), "\n")}
}

func (h *house) get(t testing.TB, path string, header ...string) answer {
	t.Helper()
	return h.do(t, http.MethodGet, path, "", header...)
}

func (h *house) post(t testing.TB, path, body string, header ...string) answer {
	t.Helper()
	return h.do(t, http.MethodPost, path, body, header...)
}

// dial opens a connection and writes raw bytes to it.
func (h *house) dial(t testing.TB, bytes string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", h.addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() }) // the test may have closed it
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	_, err = io.WriteString(c, bytes)
	require.NoError(t, err)
	return c
}

// readAll reads a connection to its end.
func readAll(t testing.TB, c net.Conn) string {
	t.Helper()
	b, err := io.ReadAll(c)
	require.NoError(t, err)
	return string(b)
}

// rawPost is a request as bytes.
func rawPost(path, body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// readResponse reads one response from a connection.
func readResponse(t testing.TB, r *bufio.Reader) answer {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	require.NoError(t, err)
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, strings.TrimSuffix(string(b), "\n")}
}

// syncBuffer is a buffer for a log.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// golden compares text with a file of testdata/golden.
func golden(t testing.TB, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if *rewrite {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

// Smallest valid requests; a test puts further fields at the end.
func anthropicBody(fields string) string {
	return `{"model":"m","max_tokens":10,"messages":[{"role":"user","content":"hi"}]` + fields + `}`
}

func openaiBody(fields string) string {
	return `{"model":"m","messages":[{"role":"user","content":"hi"}]` + fields + `}`
}

// hello is the story that most tests play.
var hello = []actors.Event{{Started: true, Cached: 4}, {Text: "Hello", Tokens: 1}, {Text: " <you> & é", Tokens: 3}}

func ended(reason runtime.FinishReason) actors.Outcome {
	return actors.Outcome{Reason: reason, PromptTokens: 12, CachedTokens: 4, OutputTokens: 3}
}
