package persistence

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cespare/xxhash/v2"

	"troupe/runtime"
)

// A block's file begins with these, so that checksum and key stand at the same place in every one. See FORMAT.md.
const (
	beforeSum = `{"__metadata__":{"troupe":"1","xxh64":"`
	beforeKey = `","key":"`
	beforeTag = `","tag":`

	sumAt = 8 + len(beforeSum)
	keyAt = sumAt + 16 + len(beforeKey)
	tagAt = keyAt + 2*keyBytes + len(beforeTag)

	maxBlockFile = 1 << 30
	alignment    = 64 // of the contents in the file
	blockEnds    = ".safetensors"
)

func blockName(key runtime.BlockKey) string {
	return "blocks/" + hex.EncodeToString(key[:]) + blockEnds
}

// blockKeyOf is the reverse of blockName for a name within its folder.
func blockKeyOf(name string) (key runtime.BlockKey, ok bool) {
	if len(name) != 2*keyBytes+len(blockEnds) || name[2*keyBytes:] != blockEnds {
		return key, false
	}
	_, err := hex.Decode(key[:], []byte(name[:2*keyBytes]))
	return key, err == nil && !strings.ContainsAny(name, "ABCDEF")
}

// header is the start of the files of all blocks of one tag and size, with checksum and key left blank.
type header []byte

// newHeader makes the header of blocks whose contents are these tensors.
func newHeader(tag string, tensors []runtime.BlockTensor) (header, int64, error) {
	b := make([]byte, 8, 1024)
	b = append(b, beforeSum...)
	b = fmt.Appendf(b, "%016x", 0)
	b = append(b, beforeKey...)
	b = fmt.Appendf(b, "%0*x", 2*keyBytes, 0)
	b = append(b, beforeTag...)
	b = appendJSON(b, tag)
	b = append(b, '}')
	at, seen := int64(0), map[string]bool{"__metadata__": true}
	for _, t := range tensors {
		n, err := tensorBytes(t)
		if err != nil {
			return nil, 0, err
		}
		if seen[t.Name] {
			return nil, 0, fmt.Errorf("two tensors are called %q", t.Name)
		}
		seen[t.Name] = true
		b = append(b, ',')
		b = appendJSON(b, t.Name)
		b = append(b, ':')
		b = appendJSON(b, struct {
			DType   string   `json:"dtype"`
			Shape   []int    `json:"shape"`
			Offsets [2]int64 `json:"data_offsets"`
		}{t.DType, append([]int{}, t.Shape...), [2]int64{at, at + n}})
		if at += n; at > maxBlockFile/2 {
			return nil, 0, fmt.Errorf("a block of more than %d bytes", maxBlockFile/2)
		}
	}
	b = append(b, '}')
	for len(b)%alignment != 0 {
		b = append(b, ' ')
	}
	binary.LittleEndian.PutUint64(b, uint64(len(b)-8))
	return b, at, nil
}

// bytesHeader is the header for contents of which only the size is known.
func bytesHeader(tag string, n int) (header, error) {
	h, _, err := newHeader(tag, []runtime.BlockTensor{{Name: "block", DType: "U8", Shape: []int{n}}})
	return h, err
}

func appendJSON(b []byte, v any) []byte {
	s, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	return append(b, s...)
}

func tensorBytes(t runtime.BlockTensor) (int64, error) {
	n := int64(0)
	switch t.DType {
	case "F64", "I64", "U64":
		n = 8
	case "F32", "I32", "U32":
		n = 4
	case "F16", "BF16", "I16", "U16":
		n = 2
	case "I8", "U8", "BOOL", "F8_E4M3", "F8_E5M2":
		n = 1
	default:
		return 0, fmt.Errorf("tensor %q: dtype %q is unknown", t.Name, t.DType)
	}
	for _, d := range t.Shape {
		if d < 0 || int64(d) > maxBlockFile || n*int64(d) > maxBlockFile {
			return 0, fmt.Errorf("tensor %q: shape %v", t.Name, t.Shape)
		}
		n *= int64(d)
	}
	return n, nil
}

// start returns the beginning of the file of a block: the header with checksum and key filled in. The contents follow it.
func (h header) start(key runtime.BlockKey, contents []byte) []byte {
	b := append(make([]byte, 0, len(h)), h...)
	hex.Encode(b[keyAt:], key[:])
	var d xxhash.Digest
	d.Reset()
	sumStart(&d, b)
	d.Write(contents) //nolint:errcheck // never fails
	putSum(b, &d)
	return b
}

// sumStart adds the start of a file to a checksum, without the checksum itself.
func sumStart(d *xxhash.Digest, b []byte) {
	d.Write(b[:sumAt])    //nolint:errcheck // never fails
	d.Write(b[sumAt+16:]) //nolint:errcheck // never fails
}

func putSum(b []byte, d *xxhash.Digest) {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], d.Sum64())
	hex.Encode(b[sumAt:], sum[:])
}

// readBlockFile reads a whole file and checks that it is the one of key, as it was written. The contents are file[contents:].
func readBlockFile(r io.Reader, size int64, key runtime.BlockKey) (file []byte, contents int, err error) {
	if err := checkBlockSize(size); err != nil {
		return nil, 0, err
	}
	file = make([]byte, size)
	contents, err = readBlockInto(file, r, key)
	return file, contents, err
}

func checkBlockSize(size int64) error {
	if size < int64(tagAt) || size > maxBlockFile {
		return fmt.Errorf("%w: %d bytes", errDamaged, size)
	}
	return nil
}

// readBlockInto is readBlockFile for a file of exactly so many bytes.
func readBlockInto(file []byte, r io.Reader, key runtime.BlockKey) (contents int, err error) {
	var d xxhash.Digest
	d.Reset()
	const chunk = 256 << 10 // summed while it is in the processor's cache
	for at := 0; at < len(file); {
		part := file[at:min(at+chunk, len(file))]
		if _, err := io.ReadFull(r, part); err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = fmt.Errorf("%w: it ends early", errDamaged)
			}
			return 0, err
		}
		if at == 0 {
			sumStart(&d, part)
		} else {
			d.Write(part) //nolint:errcheck // never fails
		}
		at += len(part)
	}
	start := append(header{}, file[:tagAt]...)
	putSum(start, &d)
	copy(start[8:], beforeSum)
	copy(start[sumAt+16:], beforeKey)
	hex.Encode(start[keyAt:], key[:])
	copy(start[keyAt+2*keyBytes:], beforeTag)
	length := binary.LittleEndian.Uint64(file)
	if string(start) != string(file[:tagAt]) || length < uint64(tagAt-8) || length > uint64(len(file)-8) {
		return 0, fmt.Errorf("%w: wrong checksum or key", errDamaged)
	}
	return 8 + int(length), nil
}
