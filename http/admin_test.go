package http

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
	"troupe/runtime/enginetest"
	"troupe/runtime/storetest"
)

// library is a catalogue of fake models that all fit at once.
type library struct {
	t     testing.TB
	store *storetest.Fake
	step  map[string]func([]runtime.Row) error // before each step of a model; read only
	load  map[string]func(context.Context) error
}

func (l *library) Names() ([]string, error) { return slices.Sorted(maps.Keys(l.step)), nil }

func (l *library) Open(name string) (*actors.Source, error) {
	if _, ok := l.step[name]; !ok {
		return nil, runtime.Errorf(runtime.Unknown, "there is no model %s", textOf(name))
	}
	return &actors.Source{Name: name, Bytes: 1, Room: 10, Load: func(ctx context.Context) (actors.Config, error) {
		if f := l.load[name]; f != nil {
			if err := f(ctx); err != nil {
				return actors.Config{}, err
			}
		}
		m := newModel(l.t)
		m.ID = "org/" + name
		e := enginetest.NewFake(enginetest.Options{Vocab: m.Tokenizer.VocabSize(), Context: m.Context, Blocks: 1024, BeforeStep: l.step[name]})
		return actors.Config{Engine: e, Model: m, Store: l.store}, nil
	}}, nil
}

// hostedBy starts a server on a host that serves model a.
func hostedBy(t testing.TB, cfg Config, l *library) *house {
	t.Helper()
	l.t, l.store = t, storetest.NewFake()
	host := actors.NewHost(l, nil)
	t.Cleanup(func() { require.NoError(t, host.Close()) })
	source, err := l.Open("a")
	require.NoError(t, err)
	require.NoError(t, host.Serve(t.Context(), source))
	h := open(t, cfg)
	h.newID = func(prefix string) string { return prefix + "0001" }
	h.AttachHost(host, nil)
	return h
}

var asAdmin = []string{"X-Admin-Key", adminKey}

// slowAt makes each step of a long answer take a while, and says when one has begun.
func slowAt(begun chan<- struct{}) func([]runtime.Row) error {
	var once sync.Once
	return func(rows []runtime.Row) error {
		if rows[0].Start > 150 {
			once.Do(func() { close(begun) })
			time.Sleep(time.Millisecond)
		}
		return nil
	}
}

func two() *library { return &library{step: map[string]func([]runtime.Row) error{"a": nil, "b": nil}} }

func decodeHost(t *testing.T, a answer) (b hostBody) {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.NoError(t, json.Unmarshal([]byte(a.body), &b))
	return b
}

var adminCalls = []struct{ method, path string }{
	{"GET", "/admin/models"}, {"POST", "/admin/models/swap"}, {"DELETE", "/admin/models/swap"}, {"POST", "/admin/models/load"}, {"POST", "/admin/models/offload"},
}

func TestAdminRoutesNeedTheAdminKey(t *testing.T) {
	closed := hostedBy(t, Config{APIKeys: []string{keyA}}, two())
	locked := hostedBy(t, Config{APIKeys: []string{keyA}, AdminKey: adminKey}, two())
	for _, c := range adminCalls {
		require.Equal(t, http.StatusNotFound, closed.do(t, c.method, c.path, "{}", "X-Api-Key", keyA).status)
		for _, key := range [][]string{nil, {"X-Api-Key", keyA}, {"X-Admin-Key", keyA}, {"X-Admin-Key", ""}, {"Authorization", "Bearer " + adminKey + "x"}} {
			a := locked.do(t, c.method, c.path, "{}", key...)
			requireError(t, "openai", a, http.StatusUnauthorized, "this needs the admin key: send it as X-Admin-Key", "")
		}
	}
	require.Equal(t, "a", decodeHost(t, locked.get(t, "/admin/models", asAdmin...)).Current.Name)
}

func TestAModelForGoodCannotBeSwapped(t *testing.T) {
	h, _ := direct(t, locked())
	for _, c := range adminCalls {
		require.Equal(t, http.StatusNotFound, h.do(t, c.method, c.path, "{}", asAdmin...).status)
	}
	starting := open(t, locked())
	require.Equal(t, http.StatusServiceUnavailable, starting.get(t, "/admin/models", asAdmin...).status)
}

func TestASwapOnTheWire(t *testing.T) {
	h := hostedBy(t, Config{AdminKey: adminKey, StrictModels: true}, two())
	body := func(model string) string { return anthropicBody(`,"model":"` + model + `"`) }
	require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", body("org/a"), "X-Agent-ID", "ada").status)
	require.Equal(t, `{"state":"ready","current":{"name":"a","id":"org/a","context":4096},"available":["a","b"]}`, h.get(t, "/admin/models", asAdmin...).body)

	a := h.post(t, "/admin/models/swap", `{"model":"b"}`, asAdmin...)
	require.Equal(t, http.StatusOK, a.status, a.body)
	var done changeBody
	require.NoError(t, json.Unmarshal([]byte(a.body), &done))
	require.Positive(t, done.Seconds)
	require.LessOrEqual(t, done.Gap, done.Seconds)
	done.Seconds, done.Gap = 0, 0
	require.Equal(t, changeBody{Model: "b", Result: "done", Beside: true}, done)

	require.Equal(t, http.StatusNotFound, h.post(t, "/v1/messages", body("org/a")).status, "strict models are those of now")
	require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", body("org/b")).status)
	require.Contains(t, h.get(t, "/v1/models").body, `"id":"org/b"`)
	require.Equal(t, http.StatusOK, h.get(t, "/v1/models/org/b").status)
	require.Equal(t, `{"status":"ok","model":"org/b"}`, h.get(t, "/health/ready").body)
	got, _ := h.scrape(t)
	require.Equal(t, 1.0, got[`troupe_swaps_total{result="done"}`])
	require.Equal(t, 2.0, got["troupe_admitted_total"], "of both models")
	require.Equal(t, 1.0, got["troupe_ready"])
	require.Contains(t, got, `vllm:num_preemptions_total{model_name="org/b"}`)
}

// TestAnswersThatASwapStops has a stream in each dialect and an answer that is not streamed, and no time for them.
func TestAnswersThatASwapStops(t *testing.T) {
	const told = "the model is being replaced and this answer was stopped"
	for name, c := range map[string]struct{ path, body, error string }{
		"anthropic": {"/v1/messages", anthropicBody(`,"max_tokens":4000,"ignore_eos":true,"stream":true`), "event: error\n"},
		"openai":    {"/v1/chat/completions", openaiBody(`,"ignore_eos":true,"stream":true`), `data: {"error":{`},
		"whole":     {"/v1/messages", anthropicBody(`,"max_tokens":4000,"ignore_eos":true`), `"type":"error"`},
	} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{})
			l := two()
			l.step["a"] = slowAt(begun)
			h := hostedBy(t, Config{AdminKey: adminKey}, l)
			answers := make(chan answer, 1)
			go func() { answers <- h.post(t, c.path, c.body, "X-Agent-ID", "ada") }()
			receive(t, begun)
			a := h.post(t, "/admin/models/swap", `{"model":"b","drain":0}`, asAdmin...)
			require.Equal(t, http.StatusOK, a.status, a.body)
			require.Contains(t, a.body, `"stopped":1`)
			got := receive(t, answers)
			require.Contains(t, got.body, c.error)
			require.Contains(t, got.body, told)
			if name == "whole" {
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				require.NotEmpty(t, got.header.Get("retry-after"))
			} else {
				require.Equal(t, http.StatusOK, got.status)
			}
		})
	}
}

// TestWhileASwapWaits looks at everything while a stream holds up a swap, and then cancels that.
func TestWhileASwapWaits(t *testing.T) {
	begun := make(chan struct{})
	l := two()
	l.step["a"] = slowAt(begun)
	h := hostedBy(t, Config{AdminKey: adminKey}, l)
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/v1/messages", strings.NewReader(anthropicBody(`,"max_tokens":4000,"ignore_eos":true,"stream":true`)))
	require.NoError(t, err)
	resp, err := h.client.Do(req)
	require.NoError(t, err)
	defer func() { require.NoError(t, resp.Body.Close()) }()
	receive(t, begun)
	swapped := make(chan answer, 1)
	go func() { swapped <- h.post(t, "/admin/models/swap", `{"model":"b"}`, asAdmin...) }()
	require.Eventually(t, func() bool { return h.get(t, "/health/ready").status == http.StatusServiceUnavailable }, patience, time.Millisecond)

	const why = `{"status":"swapping","reason":"the model is being replaced by b: draining","model":"org/a"`
	require.Equal(t, why+"}", h.get(t, "/health/ready").body)
	require.Contains(t, h.get(t, "/health").body, why+`,"pool":`)
	require.Equal(t, http.StatusOK, h.get(t, "/health/live").status)
	require.Equal(t, http.StatusOK, h.get(t, "/health/startup").status)
	require.Contains(t, h.get(t, "/v1/models").body, `"id":"org/a"`)
	for _, e := range endpoints {
		a := h.post(t, e.path, e.body(""))
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Regexp(t, `^(2\d|30|31)$`, a.header.Get("retry-after"), "what is left of the drain")
		require.Contains(t, a.body, "the model is being replaced")
	}
	require.Equal(t, http.StatusServiceUnavailable, h.post(t, "/v1/agents/ada/save", "").status)
	got, _ := h.scrape(t)
	require.Equal(t, float64(len(endpoints)+1), got[`troupe_refused_total{code="503", reason="swapping"}`])
	require.Zero(t, got["troupe_ready"])
	require.Zero(t, got["troupe_draining"])
	b := decodeHost(t, h.get(t, "/admin/models", asAdmin...))
	require.Equal(t, "swapping", b.State)
	require.Equal(t, "b", b.Swap.Model)
	require.Equal(t, "draining", b.Swap.Phase)
	a := h.post(t, "/admin/models/swap", `{"model":"a"}`, asAdmin...)
	requireError(t, "openai", a, http.StatusConflict, "a swap to b runs already", "")

	b = decodeHost(t, h.do(t, "DELETE", "/admin/models/swap", "", asAdmin...))
	require.Equal(t, "ready", b.State)
	require.Equal(t, "cancelled", b.Last.Result)
	require.Equal(t, "it was cancelled; a is served as before", b.Last.Error)
	requireError(t, "openai", receive(t, swapped), http.StatusConflict, "it was cancelled; a is served as before", "")
	require.Equal(t, http.StatusOK, h.get(t, "/health/ready").status)
	requireError(t, "openai", h.do(t, "DELETE", "/admin/models/swap", "", asAdmin...), http.StatusConflict, "no swap runs", "")
	leave()
}

// TestRequestsThatWaitGetTheNewModel has a swap that lets requests wait.
func TestRequestsThatWaitGetTheNewModel(t *testing.T) {
	loading, proceed := make(chan struct{}), make(chan struct{})
	l := two()
	l.load = map[string]func(context.Context) error{"b": func(context.Context) error { close(loading); <-proceed; return nil }}
	h := hostedBy(t, Config{AdminKey: adminKey}, l)
	require.Equal(t, http.StatusOK, h.post(t, "/admin/models/offload", "", asAdmin...).status)
	swapped := make(chan answer, 1)
	go func() { swapped <- h.post(t, "/admin/models/load", `{"model":"b","queue":true}`, asAdmin...) }()
	receive(t, loading)
	answers := make(chan answer, 1)
	go func() { answers <- h.post(t, "/v1/messages", anthropicBody("")) }()
	// Its body was read before it waits; whether it is there already cannot be seen from outside, and does not matter.
	close(proceed)
	require.Equal(t, http.StatusOK, receive(t, swapped).status)
	a := receive(t, answers)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.body, `"model":"org/b"`)
}

func TestOffloadedOnTheWire(t *testing.T) {
	h := hostedBy(t, Config{AdminKey: adminKey}, two())
	a := h.post(t, "/admin/models/offload", `{"drain":1}`, asAdmin...)
	require.Equal(t, http.StatusOK, a.status, a.body)
	b := decodeHost(t, h.get(t, "/admin/models", asAdmin...))
	require.Equal(t, "offloaded", b.State)
	require.Nil(t, b.Current)
	require.Contains(t, h.get(t, "/health").body, `"status":"offloaded","reason":"an administrator took the model out of memory"`)
	for _, e := range endpoints {
		a := h.post(t, e.path, e.body(""))
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Contains(t, a.body, "no model is in memory")
	}
	for _, path := range []string{"/v1/models", "/v1/agents", "/v1/cache"} {
		require.Equal(t, http.StatusServiceUnavailable, h.get(t, path).status)
	}
	h.scrape(t)
	requireError(t, "openai", h.post(t, "/admin/models/offload", "", asAdmin...), http.StatusConflict, "no model is in memory", "")
	require.Equal(t, http.StatusOK, h.post(t, "/admin/models/load", "", asAdmin...).status)
	require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", anthropicBody("")).status)
}

func TestBadWishes(t *testing.T) {
	l := two()
	l.load = map[string]func(context.Context) error{"b": func(context.Context) error { return errors.New("model.safetensors: it is cut off") }}
	h := hostedBy(t, Config{AdminKey: adminKey}, l)
	for body, want := range map[string]struct {
		status  int
		message string
		param   string
	}{
		`{"model":"b"}`:              {400, "b cannot be served: model.safetensors: it is cut off; a is served as before", ""},
		`{"model":"../../etc"}`:      {404, `there is no model "../../etc"; a is served as before`, ""},
		`{}`:                         {404, `there is no model ""; a is served as before`, ""},
		`{"model":"b","drain":-1}`:   {400, "drain must be a number of seconds from 0 to 86400", "drain"},
		`{"model":"b","drain":1e99}`: {400, "drain must be a number of seconds from 0 to 86400", "drain"},
		`{"model":7}`:                {400, "model must be a string, not number", "model"},
		`[]`:                         {400, "the request body must be an object, not array", ""},
	} {
		a := h.post(t, "/admin/models/swap", body, asAdmin...)
		requireError(t, "openai", a, want.status, want.message, want.param)
	}
	got, _ := h.scrape(t)
	require.Equal(t, 3.0, got[`troupe_swaps_total{result="failed"}`])
}

func FuzzWish(f *testing.F) {
	for _, s := range []string{"", "{}", `{"model":"b","drain":1.5,"queue":true,"force":false}`, `{"drain":1e400}`, `{"drain":"1s"}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		w, err := parseWish(raw)
		if err != nil {
			require.Equal(t, runtime.Invalid, runtime.KindOf(err))
			return
		}
		require.GreaterOrEqual(t, w.Drain, time.Duration(0))
		require.LessOrEqual(t, w.Drain, maxSwapDrain*time.Second)
	})
}
