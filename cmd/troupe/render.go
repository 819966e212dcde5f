package main

import (
	"context"
	"fmt"
	"io"

	"troupe/http"
)

type renderCmd struct {
	modelFlag
}

// Run reads a request in the form of OpenAI chat completions and prints the prompt that the server would make of it, to the byte: no newline is added,
// so that `troupe render | troupe tokenize` gives the prompt's token ids.
func (c *renderCmd) Run(con *console) error {
	folder, err := c.open()
	if err != nil {
		return err
	}
	body, err := io.ReadAll(con.in)
	if err != nil {
		return fmt.Errorf("read the request: %w", err)
	}
	input, err := http.ChatInput(body)
	if err != nil {
		return err
	}
	prompt, err := folder.Model.Render(context.Background(), input)
	if err != nil {
		return err
	}
	_, err = io.WriteString(con.out, prompt)
	return err
}
