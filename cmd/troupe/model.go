package main

import (
	"fmt"
	"os"
	"path/filepath"

	"troupe/mlx/engine"
	"troupe/mlx/starter"
)

// starterName is the model that is in the binary.
const starterName = "starter"

// modelFlag is the --model flag of every command that needs one.
type modelFlag struct {
	Model string `default:"starter" placeholder:"DIR" help:"Model folder in Hugging Face or mlx-community form, or 'starter' for the one in the binary (${default})."`
}

// open reads the model's folder, but not its weights.
func (m modelFlag) open() (*engine.Folder, error) {
	if m.Model == starterName {
		return engine.ReadFolder(starter.FS(), starterName)
	}
	dir, err := filepath.Abs(m.Model)
	if err != nil {
		return nil, fmt.Errorf("model folder: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot open the model folder: %w", err)
	}
	if !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder: --model wants the folder with config.json in it", m.Model)
	}
	return engine.ReadFolder(os.DirFS(dir), filepath.Base(dir))
}
