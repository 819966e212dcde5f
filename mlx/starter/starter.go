// Package starter embeds Troupe's default model: a small llama-architecture chat model that was trained from scratch by train.py in this folder.
//
// The model greets, answers a few questions about Troupe, repeats, counts and lists, if not always right, and recalls what it was told earlier in
// the conversation. The last is its purpose: a lost, mixed-up or wrongly restored KV cache shows in its answers. RESULTS.md says how well it
// does each of these, and what it cannot do.
package starter

import (
	"embed"
	"io/fs"
)

//go:embed model
var files embed.FS

// FS returns the model folder in Hugging Face layout: config.json, generation_config.json, model.safetensors, tokenizer.json and
// tokenizer_config.json lie at its root. The files are read-only and live as long as the program.
func FS() fs.FS {
	sub, err := fs.Sub(files, "model")
	if err != nil {
		panic(err) // only a malformed name fails, and the name is a constant
	}
	return sub
}
