package engine

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Limits of a safetensors header. The first is the format's own.
const (
	maxHeader  = 100 << 20
	maxTensors = 1 << 20
	maxRank    = 8
)

// Tensor is where one tensor lies. It has passed these checks: the dtype is
// known, dimensions are not negative, their product times the dtype's size is
// Bytes, and [Offset, Offset+Bytes) is inside the file and overlaps no other.
type Tensor struct {
	Name   string
	DType  string // as in the file: F32, F16, BF16, U32, …
	Shape  []int64
	File   string // within the folder
	Offset int64  // from the start of the file
	Bytes  int64
}

// readHeader reads the header of one safetensors file of the given size. It
// allocates no more than the header really takes in the file.
//
// The format (https://github.com/huggingface/safetensors): a little-endian
// uint64 header length, that many bytes of JSON from name to {dtype, shape,
// data_offsets}, then the data, to which the offsets are relative.
func readHeader(r io.ReaderAt, size int64, file string) ([]Tensor, error) {
	if size < 8 {
		return nil, fmt.Errorf("%d bytes is too short for a safetensors file", size)
	}
	var prefix [8]byte
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, fmt.Errorf("read header length: %w", err)
	}
	length := binary.LittleEndian.Uint64(prefix[:])
	if length > maxHeader {
		return nil, fmt.Errorf("header claims %d bytes, more than the format's %d", length, maxHeader)
	}
	if int64(length) > size-8 {
		return nil, fmt.Errorf("header claims %d bytes, but the file has %d: it may be truncated", length, size)
	}
	header := make([]byte, length)
	if _, err := r.ReadAt(header, 8); err != nil && !(errors.Is(err, io.EOF) && int64(length) == size-8) {
		return nil, fmt.Errorf("read header: %w", err)
	}
	start := 8 + int64(length)
	tensors, err := parseHeader(header, size-start)
	if err != nil {
		return nil, err
	}
	for i := range tensors {
		tensors[i].File = file
		tensors[i].Offset += start
	}
	return tensors, nil
}

// parseHeader decodes the JSON and checks every entry against data, the number
// of bytes after the header. Offsets in the result are relative to the data.
func parseHeader(header []byte, data int64) ([]Tensor, error) {
	dec := json.NewDecoder(bytes.NewReader(header))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("header is not a JSON object")
	}
	seen := map[string]bool{}
	var tensors []Tensor
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("header: %w", err)
		}
		name := token.(string) // a key, by the grammar
		if seen[name] {
			return nil, fmt.Errorf("header names %q twice", clip(name))
		}
		seen[name] = true
		if name == "__metadata__" {
			if err := dec.Decode(&map[string]string{}); err != nil {
				return nil, fmt.Errorf("header metadata: %w", err)
			}
			continue
		}
		if len(tensors) == maxTensors {
			return nil, fmt.Errorf("header names more than %d tensors", maxTensors)
		}
		t, err := parseEntry(dec, data)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", clip(name), err)
		}
		t.Name = name
		tensors = append(tensors, t)
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if rest := bytes.TrimSpace(header[dec.InputOffset():]); len(rest) > 0 {
		return nil, errors.New("header goes on after its end")
	}
	return tensors, checkOverlap(tensors)
}

func parseEntry(dec *json.Decoder, data int64) (Tensor, error) {
	var entry struct {
		DType   string  `json:"dtype"`
		Shape   []int64 `json:"shape"`
		Offsets []int64 `json:"data_offsets"`
	}
	if err := dec.Decode(&entry); err != nil {
		return Tensor{}, err
	}
	width, ok := dtypeBytes(entry.DType)
	if !ok {
		return Tensor{}, fmt.Errorf("dtype %q is unknown", clip(entry.DType))
	}
	if entry.Shape == nil || len(entry.Shape) > maxRank {
		return Tensor{}, fmt.Errorf("shape is missing or has more than %d dimensions", maxRank)
	}
	want, err := product(entry.Shape, width)
	if err != nil {
		return Tensor{}, err
	}
	if len(entry.Offsets) != 2 {
		return Tensor{}, errors.New("data_offsets is not a pair")
	}
	begin, end := entry.Offsets[0], entry.Offsets[1]
	if begin < 0 || end < begin || end > data {
		return Tensor{}, fmt.Errorf("data_offsets [%d, %d) lie outside the file's %d bytes of data: it may be truncated", begin, end, data)
	}
	if end-begin != want {
		return Tensor{}, fmt.Errorf("%s %v takes %d bytes, but data_offsets give it %d", entry.DType, entry.Shape, want, end-begin)
	}
	return Tensor{DType: entry.DType, Shape: entry.Shape, Offset: begin, Bytes: want}, nil
}

func checkOverlap(tensors []Tensor) error {
	order := make([]*Tensor, 0, len(tensors))
	for i := range tensors {
		if tensors[i].Bytes > 0 {
			order = append(order, &tensors[i])
		}
	}
	slices.SortFunc(order, func(a, b *Tensor) int { return cmp.Compare(a.Offset, b.Offset) })
	for i := 1; i < len(order); i++ {
		if before := order[i-1]; before.Offset+before.Bytes > order[i].Offset {
			return fmt.Errorf("tensors %q and %q overlap", clip(before.Name), clip(order[i].Name))
		}
	}
	return nil
}

// product is the bytes of a shape; an overflow is an error.
func product(shape []int64, width int64) (int64, error) {
	n := width
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v has a negative dimension", shape)
		}
		if d > 0 && n > math.MaxInt64/d {
			return 0, fmt.Errorf("shape %v is larger than memory", shape)
		}
		n *= d
	}
	return n, nil
}

func dtypeBytes(dtype string) (int64, bool) {
	switch dtype {
	case "BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0":
		return 1, true
	case "U16", "I16", "F16", "BF16":
		return 2, true
	case "U32", "I32", "F32":
		return 4, true
	case "U64", "I64", "F64", "C64":
		return 8, true
	}
	return 0, false
}

// clip keeps foreign names in errors short.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
