package http

import "troupe/runtime/chat"

// ChatInput reads a request body in the form of OpenAI chat completions and returns what the chat template gets to see of it: what the server would
// render, for tools that show a prompt.
func ChatInput(body []byte) (chat.Input, error) {
	in, err := openai{}.parse(body)
	if err != nil {
		return chat.Input{}, err
	}
	return in.chat.input()
}
