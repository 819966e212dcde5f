package chat

import (
	"context"
	"strings"
	"testing"
)

// A long conversation with tools: 200 turns of 400 bytes.
func BenchmarkRender(b *testing.B) {
	in := Input{AddGenerationPrompt: true}
	for range 100 {
		in.Messages = append(in.Messages,
			Message{Role: "user", Content: strings.Repeat("What now? ", 40)},
			Message{Role: "assistant", Content: strings.Repeat("Let us see. ", 33)})
	}
	tmpl := readTemplate(b, "qwen3")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tmpl.Render(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}
