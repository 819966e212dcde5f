package http

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"troupe/actors"
	"troupe/runtime"
)

// ask sends a request that must be served and returns what reached the system, with the prompt as text.
func ask(t *testing.T, h *house, d *director, path, body string, header ...string) (actors.Request, string) {
	t.Helper()
	r, _ := exchange(t, h, d, path, body, header...)
	return r, h.service.Load().model.Tokenizer.Decode(r.Prompt, false)
}

// exchange has a request answered, and returns what the system got and the client was told.
func exchange(t *testing.T, h *house, d *director, path, body string, header ...string) (actors.Request, answer) {
	t.Helper()
	d.stage(ended(runtime.FinishStop), hello...)
	a := h.post(t, path, body, header...)
	require.Equal(t, http.StatusOK, a.status, a.body)
	return d.last(t), a
}

// TestPrompts checks what the model is shown.
func TestPrompts(t *testing.T) {
	h, d := direct(t, Config{})
	cases := []struct{ name, path, body, want string }{
		{
			"a string", "/v1/messages", anthropicBody(""),
			"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"the query and unknown fields are ignored", "/v1/messages?beta=true",
			anthropicBody(`,"thinking":{"type":"adaptive"},"context_management":{"edits":[]},"output_config":{"effort":"high"},"service_tier":5,"x":[{}]`),
			"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"system as a string", "/v1/messages", anthropicBody(`,"system":"be brief"`),
			"<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"system as blocks, without the billing header", "/v1/messages",
			anthropicBody(`,"system":[{"type":"text","text":"x-anthropic-billing-header: cch=1"},{"type":"text","text":"be","cache_control":{"type":"ephemeral"}},{"type":"text","text":"brief"}]`),
			"<|im_start|>system\nbe\nbrief<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"a system of nothing but the billing header", "/v1/messages",
			anthropicBody(`,"system":[{"type":"text","text":"x-anthropic-billing-header: cch=1"}]`),
			"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"system in place, and two users in a row", "/v1/messages",
			`{"max_tokens":1,"messages":[{"role":"user","content":"a"},{"role":"system","content":[{"type":"text","text":"s"}]},{"role":"user","content":"b"},{"role":"user","content":"c"}]}`,
			"<|im_start|>user\na<|im_end|>\n<|im_start|>system\ns<|im_end|>\n<|im_start|>user\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"prefill", "/v1/messages",
			`{"max_tokens":1,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"text","text":"It is"}]}]}`,
			"<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nIt is",
		}, {
			"tools, calls and results", "/v1/messages",
			`{"max_tokens":1,"tools":[{"name":"ls","description":"<list>","input_schema":{"type":"object","a":1.0},"cache_control":{}},{"type":"web_search_20250305","name":"web_search","max_uses":8}],
			"tool_choice":{"type":"auto"},"messages":[{"role":"user","content":"a"},
			{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"redacted_thinking","data":"x"},{"type":"text","text":"ok"},{"type":"tool_use","id":"t1","name":"ls","input":{"z":1,"a":[2.0,"<"]}},{"type":"tool_use","id":"t2","name":"pwd","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"t2","content":"/"},{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]},{"type":"tool_result","tool_use_id":"t1"},{"type":"text","text":"go on"}]}]}`,
			`<|im_start|>tool {"type": "function", "function": {"name": "ls", "description": "<list>", "parameters": {"type": "object", "a": 1.0}}}<|im_end|>` + "\n" +
				"<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<think>hm</think>ok" +
				`<tool_call>ls {"z": 1, "a": [2.0, "<"]}</tool_call><tool_call>pwd {}</tool_call><|im_end|>` + "\n" +
				"<|im_start|>tool pwd\n/<|im_end|>\n<|im_start|>tool ls\nx\ny<|im_end|>\n<|im_start|>tool ls\n<|im_end|>\n<|im_start|>user\ngo on<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"no tools if none may be called", "/v1/messages",
			anthropicBody(`,"tools":[{"name":"ls","input_schema":{}}],"tool_choice":{"type":"none"}`),
			"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"a tool that is loaded late shows where it was loaded", "/v1/messages",
			`{"max_tokens":1,"tools":[{"name":"Fetch","description":"get <it>","input_schema":{"type":"object"},"defer_loading":true}],"messages":[
			{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"ToolSearch","input":{}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":[{"type":"tool_reference","tool_name":"Fetch"}]}]}]}`,
			"<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n<tool_call>ToolSearch {}</tool_call><|im_end|>\n<|im_start|>tool ToolSearch\n" +
				`<functions><function>{"description":"get <it>","name":"Fetch","parameters":{"type":"object"}}</function></functions>` +
				"<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"a document of text", "/v1/messages",
			`{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text","media_type":"text/plain","data":"doc"}}]}]}`,
			"<|im_start|>user\ndoc<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"template variables", "/v1/messages", anthropicBody(`,"chat_template_kwargs":{"suffix":"<think>"}`),
			"<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n<think>",
		}, {
			"roles of the other dialect", "/v1/chat/completions",
			`{"messages":[{"role":"developer","content":"d"},{"role":"user","name":"Ann","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":null,"reasoning_content":"r"},{"role":"user","content":"c"}]}`,
			"<|im_start|>system\nd<|im_end|>\n<|im_start|>user Ann\na\nb<|im_end|>\n<|im_start|>assistant\n<think>r</think><|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"tools of the other dialect", "/v1/chat/completions",
			`{"tools":[{"type":"function","function":{"name":"ls","z":1,"a":2}}],"messages":[{"role":"user","content":"a"},
			{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"ls","arguments":"{\"b\":1,\"a\":2.0}"}},{"id":"c2","function":{"name":"ls","arguments":""}},{"id":"c3","function":{"name":"ls","arguments":"not JSON"}}]},
			{"role":"tool","tool_call_id":"c1","content":"x"}]}`,
			`<|im_start|>tool {"type": "function", "function": {"name": "ls", "z": 1, "a": 2}}<|im_end|>` + "\n" +
				"<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\n" +
				`<tool_call>ls {"b": 1, "a": 2.0}</tool_call><tool_call>ls {}</tool_call><tool_call>ls "not JSON"</tool_call><|im_end|>` + "\n" +
				"<|im_start|>tool ls\nx<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"the other dialect continues only when told", "/v1/chat/completions",
			`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"It is"}],"continue_final_message":true}`,
			"<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nIt is",
		}, {
			"and otherwise answers", "/v1/chat/completions",
			`{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"It is"}]}`,
			"<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nIt is<|im_end|>\n<|im_start|>assistant\n",
		}, {
			"text is text, also where it looks like JSON or is not ASCII", "/v1/chat/completions",
			`{"messages":[{"role":"user","content":"{\"a\": \"\ud83d\ude00\\u00e9\"} é 😀"}]}`,
			"<|im_start|>user\n{\"a\": \"😀\\u00e9\"} é 😀<|im_end|>\n<|im_start|>assistant\n",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, prompt := ask(t, h, d, c.path, c.body)
			require.Equal(t, c.want, prompt)
		})
	}
}

// TestSampling checks what the system is asked for.
func TestSampling(t *testing.T) {
	h, d := direct(t, Config{})
	base := runtime.Sampling{Temperature: 0.5, TopP: 0.9, Seed: 7}
	with := func(change func(*runtime.Sampling)) runtime.Sampling {
		s := base
		change(&s)
		return s
	}
	cases := []struct {
		name, fields string
		want         runtime.Sampling
	}{
		{"the model's defaults", "", base},
		{"null is absent", `,"temperature":null,"top_p":null,"top_k":null,"stop":null,"logit_bias":null,"tool_choice":null,"tools":null,"stop_sequences":null,"metadata":null`, base},
		{"zero is not absent", `,"temperature":0`, with(func(s *runtime.Sampling) { s.Temperature = 0 })},
		{"all of them", `,"temperature":1.5,"top_p":0.5,"top_k":40.0,"min_p":0.1,"repetition_penalty":1.1,"presence_penalty":-1,"frequency_penalty":2`,
			runtime.Sampling{Temperature: 1.5, TopP: 0.5, TopK: 40, MinP: 0.1, RepetitionPenalty: 1.1, PresencePenalty: -1, FrequencyPenalty: 2, Seed: 7}},
		{"top_k of minus one is off", `,"top_k":-1`, base},
		{"a bias", `,"logit_bias":{"5":-100,"257":1.5}`, with(func(s *runtime.Sampling) { s.Bias = map[int32]float32{5: -100, 257: 1.5} })},
	}
	for _, e := range endpoints {
		for _, c := range cases {
			t.Run(e.name+"/"+c.name, func(t *testing.T) {
				r, _ := ask(t, h, d, e.path, e.body(`,"seed":7`+c.fields))
				require.Equal(t, c.want, r.Sampling)
			})
		}
		t.Run(e.name+"/a random seed", func(t *testing.T) {
			a, _ := ask(t, h, d, e.path, e.body(""))
			b, _ := ask(t, h, d, e.path, e.body(""))
			require.NotEqual(t, a.Sampling.Seed, b.Sampling.Seed)
		})
	}
}

func TestLimitsOfAnAnswer(t *testing.T) {
	h, d := direct(t, Config{})
	room := 4096 - len("_user\nhi_\n_assistant\n") // a special token is one, and so is each other byte
	cases := []struct {
		path, body string
		tokens     int
		stops      []string
		ignoreEOS  bool
	}{
		{"/v1/messages", anthropicBody(`,"stop_sequences":["a","b"],"ignore_eos":true`), 10, []string{"a", "b"}, true},
		{"/v1/messages", anthropicBody(`,"max_tokens":1000000000000`), room, nil, false},
		{"/v1/chat/completions", openaiBody(""), 0, nil, false},
		{"/v1/chat/completions", openaiBody(`,"max_tokens":5,"stop":"a"`), 5, []string{"a"}, false},
		{"/v1/chat/completions", openaiBody(`,"max_tokens":5,"max_completion_tokens":6,"stop":["a","b"],"n":1,"ignore_eos":true`), 6, []string{"a", "b"}, true},
		{"/v1/chat/completions", openaiBody(`,"max_tokens":1e12`), room, nil, false},
	}
	for _, c := range cases {
		r, _ := ask(t, h, d, c.path, c.body)
		require.Equal(t, c.tokens, r.MaxTokens, c.body)
		require.Equal(t, c.stops, r.Stops, c.body)
		require.Equal(t, c.ignoreEOS, r.IgnoreEOS, c.body)
	}
}
