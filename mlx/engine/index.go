package engine

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"
)

const indexName = "model.safetensors.index.json"

// Index is every tensor of a folder by name, from one weight file or from
// shards. Its entries hold what [Tensor] promises.
type Index struct {
	Tensors map[string]Tensor
	Files   []string  // sorted
	ModTime time.Time // of the newest file; zero for embedded ones
}

// readIndex reads the headers of the weight files: those that
// model.safetensors.index.json names, or else all model*.safetensors.
func readIndex(fsys fs.FS) (*Index, error) {
	var listed struct {
		WeightMap map[string]string `json:"weight_map"`
	}
	err := readJSON(fsys, indexName, &listed)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return globIndex(fsys)
	case err != nil:
		return nil, err
	case len(listed.WeightMap) == 0:
		return nil, fmt.Errorf("%s: weight_map is missing or empty", indexName)
	}
	files := slices.Compact(slices.Sorted(maps.Values(listed.WeightMap)))
	for _, f := range files {
		if f != path.Base(f) || !fs.ValidPath(f) || f == "." {
			return nil, fmt.Errorf("%s: %q is not the name of a file in this folder", indexName, clip(f))
		}
	}
	index, err := readFiles(fsys, files)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(listed.WeightMap)) {
		if t, ok := index.Tensors[name]; !ok || t.File != listed.WeightMap[name] {
			return nil, fmt.Errorf("%s: tensor %q is missing, but %s says it is there", listed.WeightMap[name], clip(name), indexName)
		}
	}
	return index, nil
}

func globIndex(fsys fs.FS) (*Index, error) {
	files, err := fs.Glob(fsys, "model*.safetensors")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("no weights: neither model*.safetensors nor " + indexName + " is there")
	}
	slices.Sort(files)
	return readFiles(fsys, files)
}

func readFiles(fsys fs.FS, files []string) (*Index, error) {
	index := &Index{Tensors: map[string]Tensor{}, Files: files}
	for _, file := range files {
		if err := index.add(fsys, file); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("%s: the file is missing, the folder is incomplete", file)
			}
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return index, nil
}

func (x *Index) add(fsys fs.FS, file string) error {
	f, r, err := openRandom(fsys, file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // was only read
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return errors.New("not a regular file")
	}
	tensors, err := readHeader(r, info.Size(), file)
	if err != nil {
		return err
	}
	for _, t := range tensors {
		if other, ok := x.Tensors[t.Name]; ok {
			return fmt.Errorf("tensor %q is in %s as well", clip(t.Name), other.File)
		}
		x.Tensors[t.Name] = t
	}
	if info.ModTime().After(x.ModTime) {
		x.ModTime = info.ModTime()
	}
	return nil
}

// openRandom opens a file for reading at offsets, which os.DirFS and embed.FS
// both allow. The caller closes the file.
func openRandom(fsys fs.FS, name string) (fs.File, io.ReaderAt, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, nil, err
	}
	r, ok := f.(io.ReaderAt)
	if !ok {
		_ = f.Close()
		return nil, nil, errors.New("this file system cannot read at an offset")
	}
	return f, r, nil
}
