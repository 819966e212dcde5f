package http

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"troupe/runtime"
)

// many is a JSON list of n strings.
func many(n int) string { return "[" + strings.TrimSuffix(strings.Repeat(`"x",`, n), ",") + "]" }

// TestBadInput sends what cannot be served. Every answer must have the form of the dialect, and say what is wrong with which field.
func TestBadInput(t *testing.T) {
	h, d := direct(t, Config{})
	half := strings.Repeat("x", 5000)
	both := []struct{ name, fields, param, message string }{
		{"a missing brace", `,"top_p":1]`, "", "the request body is not valid JSON at line 1, column %d: invalid character ']' after object key:value pair"},
		{"not a number", `,"temperature":NaN`, "", "the request body is not valid JSON at line 1, column %d: invalid character 'N' looking for beginning of value"},
		{"out of range for a double", `,"temperature":1e999`, "temperature", "temperature must be a number in the range of a double, not number 1e999"},
		{"a string for a number", `,"temperature":"hot"`, "temperature", "temperature must be a number in the range of a double, not string"},
		{"too hot", `,"temperature":101`, "temperature", "temperature must be between 0 and 100, not 101"},
		{"negative temperature", `,"temperature":-1`, "temperature", "temperature must be between 0 and 100, not -1"},
		{"top_p", `,"top_p":1.5`, "top_p", "top_p must be between 0 and 1, not 1.5"},
		{"top_k", `,"top_k":100000`, "top_k", "top_k must be between 0 (off) and 1024, not 100000"},
		{"half a token", `,"max_tokens":1.5`, "max_tokens", "max_tokens must be an integer, not number 1.5"},
		{"no tokens", `,"max_tokens":0`, "max_tokens", "max_tokens must be at least 1, not 0"},
		{"negative tokens", `,"max_tokens":-5`, "max_tokens", "max_tokens must be at least 1, not -5"},
		{"tokens beyond 64 bits", `,"max_tokens":1e30`, "max_tokens", "max_tokens must be an integer, not number 1e30"},
		{"a seed that is text", `,"seed":"x"`, "seed", "seed must be an integer, not string"},
		{"stream", `,"stream":"yes"`, "stream", "stream must be true or false, not string"},
		{"no messages", `,"messages":[]`, "messages", "messages must have at least one message"},
		{"null messages", `,"messages":null`, "messages", "messages must have at least one message"},
		{"messages of the wrong type", `,"messages":{"role":"user"}`, "messages", "messages must be a list, not object"},
		{"a message of the wrong type", `,"messages":["hi"]`, "messages.0", "messages.0 must be an object, not string"},
		{"no role", `,"messages":[{"content":"hi"}]`, "messages.0.role", `messages.0.role must be %s, not ""`},
		{"an unknown role", `,"messages":[{"role":"user","content":"a"},{"role":"robot","content":"hi"}]`, "messages.1.role", `messages.1.role must be %s, not "robot"`},
		{"no content", `,"messages":[{"role":"user"}]`, "messages.0.content", "messages.0.content must be a string or a list of %s, not absent"},
		{"content of the wrong type", `,"messages":[{"role":"user","content":5}]`, "messages.0.content", "messages.0.content must be a string or a list of %s, not number"},
		{"a part of the wrong type", `,"messages":[{"role":"user","content":["hi"]}]`, "messages.0.content.0", "messages.0.content.0 must be an object, not string"},
		{"text of the wrong type", `,"messages":[{"role":"user","content":[{"type":"text","text":{}}]}]`, "messages.0.content.0.text", "messages.0.content.0.text must be a string, not object"},
		{"a bias beyond the vocabulary", `,"logit_bias":{"258":1}`, "logit_bias", "logit_bias names token 258, and the vocabulary ends at 257"},
		{"a bias for no token", `,"logit_bias":{"x":1}`, "logit_bias", `logit_bias has the key "x", which is not a token id`},
		{"template variables", `,"chat_template_kwargs":[]`, "chat_template_kwargs", "chat_template_kwargs must be an object, not list"},
		{"nesting", `,"x":` + strings.Repeat("[", 300) + strings.Repeat("]", 300), "", "the request body is nested deeper than 256 levels"},
		{"more nesting", `,"x":` + strings.Repeat(`{"a":`, 1<<20), "", "the request body is nested deeper than 256 levels"},
		{"half of a pair", `,"x":"\ud83d"`, "", `the request body has half of a surrogate pair at line 1, column %d: \ud83d`},
		{"the other half", `,"x":"\\\ude00"`, "", `the request body has half of a surrogate pair at line 1, column %d: \ude00`},
		{"bytes", ",\"x\":\"\xff\"", "", "the request body is not valid UTF-8 at line 1, column %d: byte 0xff"},
		{"an id that is a path", `,"session_id":"../etc"`, "session_id", "session_id must have 1 to 128 printable ASCII characters without spaces, quotes and slashes, and must not start with a dot"},
		{"a long prompt", `,"messages":[{"role":"user","content":"` + half + `"}]`, "messages", "prompt is too long: 5019 tokens > 4095 maximum"},
	}
	of := map[string][]struct{ name, fields, param, message string }{
		"anthropic": {
			{"max_tokens is required", `,"max_tokens":null`, "", "max_tokens is required: say how many tokens to generate at most"},
			{"many stops", `,"stop_sequences":` + many(1000), "", "stop_sequences may have at most 64 strings, not 1000"},
			{"an empty stop", `,"stop_sequences":["a",""]`, "", "stop_sequences: string 1 has 0 bytes; 1 to 1024 are allowed"},
			{"a stop of the wrong type", `,"stop_sequences":"a"`, "", "stop_sequences must be a list, not string"},
			{"a long stop", `,"stop_sequences":["` + half + `"]`, "", "stop_sequences: string 0 has 5000 bytes; 1 to 1024 are allowed"},
			{"an image", `,"messages":[{"role":"user","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"base64"}}]}]`, "", "messages.0.content.1.image: this model does not support image input"},
			{"a PDF", `,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"base64"}}]}]`, "", "messages.0.content.0.document: this model does not support document input"},
			{"an image from a tool", `,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"r","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"image"}]}]}]`, "", "messages.1.content.0.image: this model does not support image input"},
			{"a result of nothing", `,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]`, "", `messages.0.content.0.tool_use_id: there is no tool_use with the id "t" before it`},
			{"a call without input", `,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"r"}]}]`, "", "messages.0.content.0.input must be an object, not absent"},
			{"an unknown block", `,"messages":[{"role":"user","content":[{"type":"hologram"}]}]`, "", `messages.0.content.0.type: blocks of type "hologram" are not supported here`},
			{"a tool without a schema", `,"tools":[{"name":"a"}]`, "", "tools.0.input_schema must be an object, not absent"},
			{"a forced tool", `,"tool_choice":{"type":"any"}`, "", `tool_choice "any" is not supported yet: use auto or none`},
			{"system of the wrong type", `,"system":5`, "", "system must be a string or a list of blocks, not number"},
		},
		"openai": {
			{"many stops", `,"stop":` + many(1000), "stop", "stop may have at most 64 strings, not 1000"},
			{"a stop of the wrong type", `,"stop":5`, "stop", "stop must be a string or a list of strings, not number"},
			{"stops of the wrong type", `,"stop":[5]`, "stop", "stop must be a string, not number"},
			{"several choices", `,"n":2`, "n", "n must be 1, not 2: several choices are not supported yet, so send several requests"},
			{"logprobs", `,"logprobs":true`, "logprobs", "logprobs are not supported yet: leave the field out"},
			{"a format", `,"response_format":{"type":"json_object"}`, "response_format", `response_format "json_object" is not supported yet: ask for it in the prompt, and leave the field out`},
			{"a forced tool", `,"tool_choice":"required"`, "tool_choice", `tool_choice "required" is not supported yet: use auto or none`},
			{"a named tool", `,"tool_choice":{"type":"function","function":{"name":"a"}}`, "tool_choice", "tool_choice cannot name a tool yet: use auto or none"},
			{"not a function", `,"tools":[{"type":"custom"}]`, "tools.0", "tools.0 must be of type function and have a function.name"},
			{"an image", `,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]`, "messages.0.content.0", "messages.0.content.0.image: this model does not support image input"},
			{"a result of nothing", `,"messages":[{"role":"tool","content":"x"}]`, "messages.0.tool_call_id", "messages.0.tool_call_id is required in a message of the tool"},
			{"nothing to continue", `,"continue_final_message":true`, "continue_final_message", "continue_final_message needs a last message of the assistant, not of the user"},
		},
	}
	words := map[string][2]string{ // roles, and what content is a list of
		"anthropic": {"user, assistant or system", "blocks"},
		"openai":    {"system, developer, user, assistant or tool", "parts"},
	}
	for _, e := range endpoints {
		for _, c := range append(both, of[e.name]...) {
			t.Run(e.name+"/"+c.name, func(t *testing.T) {
				body := e.body(c.fields)
				want := c.message
				switch {
				case strings.Contains(want, "column %d"):
					want = fmt.Sprintf(want, strings.Index(body, c.fields)+columns[c.name])
				case strings.Contains(want, "list of %s"):
					want = fmt.Sprintf(want, words[e.name][1])
				case strings.Contains(want, "%s"):
					want = fmt.Sprintf(want, words[e.name][0])
				}
				requireError(t, e.name, h.post(t, e.path, body), http.StatusBadRequest, want, c.param)
			})
		}
		t.Run(e.name+"/an empty body", func(t *testing.T) {
			requireError(t, e.name, h.post(t, e.path, " "), http.StatusBadRequest, "the request body is empty: send a JSON object", "")
		})
		t.Run(e.name+"/a list", func(t *testing.T) {
			requireError(t, e.name, h.post(t, e.path, "[]"), http.StatusBadRequest, "the request body must be an object, not array", "")
		})
		t.Run(e.name+"/a packed body", func(t *testing.T) {
			a := h.post(t, e.path, "\x1f\x8b", "Content-Encoding", "gzip")
			requireError(t, e.name, a, http.StatusBadRequest, `Content-Encoding "gzip" is not supported: send the body as it is`, "")
		})
		t.Run(e.name+"/the third line", func(t *testing.T) {
			a := h.post(t, e.path, "{\n\"a\": 1,\n  oops}")
			requireError(t, e.name, a, http.StatusBadRequest,
				"the request body is not valid JSON at line 3, column 3: invalid character 'o' looking for beginning of object key string", "")
		})
	}
	require.Empty(t, d.calls, "something bad was generated from")
}

// columns are where errors are, counted from the comma that the fields begin with.
var columns = map[string]int{"a missing brace": 11, "not a number": 16, "half of a pair": 7, "the other half": 9, "bytes": 7}

// requireError checks the whole body of an error. Anthropic's has no param.
func requireError(t *testing.T, dialect string, a answer, status int, message, param string) {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	require.Equal(t, "application/json", a.header.Get("content-type"))
	require.Equal(t, "req_0001", a.header.Get("request-id"))
	switch dialect {
	case "anthropic":
		want := fmt.Sprintf(`{"type":"error","error":{"type":%q,"message":%s},"request_id":"req_0001"}`, anthropicErrorType(status), mustEncode(message))
		require.Equal(t, want, a.body)
	case "openai":
		kind, code := openaiErrorType(status)
		codeJSON, paramJSON := mustEncode(code), mustEncode(&param)
		if strings.HasPrefix(message, "prompt is too long") {
			codeJSON = mustEncode("context_length_exceeded")
		}
		if param == "" {
			paramJSON = []byte("null")
		}
		want := fmt.Sprintf(`{"error":{"message":%s,"type":%q,"param":%s,"code":%s}}`, mustEncode(message), kind, paramJSON, codeJSON)
		require.Equal(t, want, a.body)
	}
}

// TestStatuses walks the closed list of kinds.
func TestStatuses(t *testing.T) {
	h, d := direct(t, Config{})
	cases := []struct {
		kind          runtime.Kind
		status        int
		anthropic     string
		openai        string
		retry         time.Duration
		wantRetryHead string
	}{
		{runtime.Internal, 500, "api_error", `"type":"server_error","param":null,"code":null`, time.Second, ""},
		{runtime.Invalid, 400, "invalid_request_error", `"type":"invalid_request_error","param":null,"code":null`, time.Second, ""},
		{runtime.Unauthorised, 401, "authentication_error", `"type":"invalid_request_error","param":null,"code":"invalid_api_key"`, 0, ""},
		{runtime.Unknown, 404, "not_found_error", `"type":"invalid_request_error","param":null,"code":null`, 0, ""},
		{runtime.TooLarge, 413, "request_too_large", `"type":"invalid_request_error","param":null,"code":null`, 0, ""},
		{runtime.Busy, 429, "rate_limit_error", `"type":"requests","param":null,"code":"rate_limit_exceeded"`, 2100 * time.Millisecond, "3"},
		{runtime.Swapping, 503, "api_error", `"type":"server_error","param":null,"code":null`, time.Hour, "50"},
		{runtime.Draining, 503, "api_error", `"type":"server_error","param":null,"code":null`, 0, "1"},
		{runtime.Conflict, 409, "conflict_error", `"type":"invalid_request_error","param":null,"code":null`, time.Second, ""},
		{runtime.Starting, 503, "api_error", `"type":"server_error","param":null,"code":null`, time.Millisecond, "1"},
	}
	for _, c := range cases {
		for _, e := range endpoints {
			t.Run(c.kind.String()+"/"+e.name, func(t *testing.T) {
				d.refuse = fmt.Errorf("wrapped: %w", &runtime.Error{Kind: c.kind, Message: "what to do", RetryAfter: c.retry, Err: errors.New("a secret")})
				a := h.post(t, e.path, e.body(""))
				require.Equal(t, c.status, a.status)
				require.Equal(t, c.wantRetryHead, a.header.Get("retry-after"))
				require.NotContains(t, a.body, "secret")
				want := `"message":"what to do",` + c.openai
				if e.name == "anthropic" {
					want = fmt.Sprintf(`{"type":%q,"message":"what to do"}`, c.anthropic)
				}
				require.Contains(t, a.body, want)
			})
		}
	}
}

// TestRouting checks the answers to what no handler takes.
func TestRouting(t *testing.T) {
	h, _ := direct(t, Config{BodyLimit: 1000})
	requireError(t, "openai", h.get(t, "/v2/what"), http.StatusNotFound, "there is no GET /v2/what here", "")
	requireError(t, "anthropic", h.get(t, "/v1/messages/batches"), http.StatusNotFound, "there is no GET /v1/messages/batches here", "")
	requireError(t, "anthropic", h.get(t, "/v1/messages"), http.StatusMethodNotAllowed, "/v1/messages does not take GET; it takes POST", "")
	requireError(t, "openai", h.get(t, "/v1/chat/completions"), http.StatusMethodNotAllowed, "/v1/chat/completions does not take GET; it takes POST", "")
	for _, e := range endpoints {
		requireError(t, e.name, h.post(t, e.path, strings.Repeat(" ", 1001)), http.StatusRequestEntityTooLarge, "the request body is larger than 1000 bytes", "")
	}
	// Nobody knows the path of a request whose headers could not be read.
	a := h.post(t, "/v1/messages", "{}", "X-Long", strings.Repeat("x", headerLimit))
	requireError(t, "openai", a, http.StatusRequestHeaderFieldsTooLarge, "the request headers are larger than 32768 bytes", "")
	require.Equal(t, http.StatusOK, h.do(t, http.MethodHead, "/", "").status)
	require.Empty(t, h.get(t, "/health", "Origin", "http://evil.example").header.Get("Access-Control-Allow-Origin"))
}

// TestPanicInAHandler must cost one request its answer, and nothing else.
func TestPanicInAHandler(t *testing.T) {
	h, d := direct(t, Config{})
	d.panics = true
	for _, e := range endpoints {
		requireError(t, e.name, h.post(t, e.path, e.body("")), http.StatusInternalServerError, "internal error; the server's log has it under this request id", "")
	}
	d.panics = false
	d.stage(ended(runtime.FinishStop), hello...)
	require.Equal(t, http.StatusOK, h.post(t, "/v1/messages", anthropicBody("")).status)
}
