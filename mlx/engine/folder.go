package engine

import (
	"errors"
	"fmt"
	"io/fs"

	"troupe/runtime/model"
)

// Folder is a model as it lies in a Hugging Face or mlx-community folder, read
// and checked but for the weights themselves. It is immutable.
//
// Reading needs no MLX: it works with -tags nomlx and on any fs.FS whose files
// can be read at an offset, such as os.DirFS and embed.FS.
type Folder struct {
	Name   string
	Spec   *Spec
	Model  *model.Model
	Index  *Index
	Layout *Layout

	fsys   fs.FS
	digest string // of the small files, for the tag
}

// ReadFolder reads a model folder. What is wrong with it is one error that
// names the file and the reason; nothing large is allocated before the sizes in
// the files have been found to be true.
func ReadFolder(fsys fs.FS, name string) (*Folder, error) {
	f, err := readFolder(fsys, name)
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", name, err)
	}
	return f, nil
}

func readFolder(fsys fs.FS, name string) (*Folder, error) {
	var c config
	if err := readJSON(fsys, "config.json", &c); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errors.New("config.json is missing: this is not a model folder")
		}
		return nil, err
	}
	// The family first: a folder of an unknown kind should say so, whatever
	// else is in it.
	if _, err := newSpec(&c, false); err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	quant, err := readQuantization(&c)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	index, err := readIndex(fsys)
	if err != nil {
		return nil, err
	}
	_, hasHead := index.Tensors["lm_head.weight"]
	spec, err := newSpec(&c, hasHead)
	if err != nil {
		return nil, fmt.Errorf("config.json: %w", err)
	}
	layout, err := newLayout(spec, quant, index)
	if err != nil {
		return nil, err
	}
	text, err := readText(fsys, name, &c, spec)
	if err != nil {
		return nil, err
	}
	if !index.ModTime.IsZero() {
		text.Created = index.ModTime
	}
	digest, err := digestSmallFiles(fsys)
	if err != nil {
		return nil, err
	}
	return &Folder{Name: name, Spec: spec, Model: text, Index: index, Layout: layout, fsys: fsys, digest: digest}, nil
}

// tensors lists where the tensors of the model lie.
func (f *Folder) tensors() []Tensor {
	var list []Tensor
	for _, name := range f.Layout.names() {
		list = append(list, f.Index.Tensors[name])
	}
	return list
}
