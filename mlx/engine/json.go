package engine

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// maxJSON bounds every JSON file of a folder. The largest known tokenizer.json
// is about 35 MB.
const maxJSON = 128 << 20

// readFile reads a small file of the folder whole. A file that is not there
// gives fs.ErrNotExist.
func readFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // was only read
	data, err := io.ReadAll(io.LimitReader(f, maxJSON+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxJSON {
		return nil, fmt.Errorf("%s: larger than %d MB", name, maxJSON>>20)
	}
	return data, nil
}

// readJSON decodes a file of the folder into v and names the file in errors.
func readJSON(fsys fs.FS, name string, v any) error {
	data, err := readFile(fsys, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%s: %w", name, jsonReason(data, err))
	}
	return nil
}

// readOptional is readJSON for a file that may be missing.
func readOptional(fsys fs.FS, name string, v any) error {
	err := readJSON(fsys, name, v)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// jsonReason says what is wrong in the terms of the file: Python writes NaN and
// Infinity, which JSON lacks, and a wrong type should name the key.
func jsonReason(data []byte, err error) error {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		at := int(min(max(syntax.Offset-1, 0), int64(len(data))))
		for _, word := range []string{"NaN", "Infinity", "-Infinity"} {
			if bytes.HasPrefix(data[at:], []byte(word)) {
				return fmt.Errorf("%s at byte %d is not a number that a model can have", word, at)
			}
		}
		if at == len(data) || syntax.Offset >= int64(len(data)) {
			return errors.New("the file ends in the middle, it may be truncated")
		}
		return fmt.Errorf("byte %d: %w", at, err)
	}
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("%s is a %s, want a value of type %s", wrong.Field, wrong.Value, wrong.Type)
	}
	return err
}

// oneOrMany decodes a number or a list of numbers.
type oneOrMany []float64

func (o *oneOrMany) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		return json.Unmarshal(data, (*[]float64)(o))
	}
	var one *float64
	if err := json.Unmarshal(data, &one); err != nil {
		return err
	}
	if one != nil {
		*o = oneOrMany{*one}
	}
	return nil
}

// presentOnly notes that a key is there and reads nothing of it.
type presentOnly struct{}

func (*presentOnly) UnmarshalJSON([]byte) error { return nil }
