package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"troupe/runtime/chat"
	"troupe/runtime/model"
)

// readText reads conversations and returns the first tokens of each, rendered with the model's template. Shorter ones are left out, so that all have the same length.
func readText(ctx context.Context, m *model.Model, path string, conversations, tokens int) ([][]int32, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var texts [][]int32
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() && len(texts) < conversations {
		ids, err := encode(ctx, m, lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if len(ids) >= tokens {
			texts = append(texts, ids[:tokens])
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s: no conversation has %d tokens", path, tokens)
	}
	return texts, nil
}

func encode(ctx context.Context, m *model.Model, line []byte) ([]int32, error) {
	var talk struct {
		Messages []struct{ Role, Content string }
	}
	if err := json.Unmarshal(line, &talk); err != nil {
		return nil, err
	}
	var in chat.Input
	for _, m := range talk.Messages {
		in.Messages = append(in.Messages, chat.Message{Role: m.Role, Content: m.Content})
	}
	return m.Prompt(ctx, in)
}
