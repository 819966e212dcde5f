package jinja

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxJSONDepth is how deep arrays and objects may nest in ParseJSON.
const MaxJSONDepth = 200

// ParseJSON reads one JSON text. It keeps the order of keys and the difference
// between 2 and 2.0, both of which a template can show. It accepts what
// encoding/json accepts, except that it refuses invalid UTF-8, nesting beyond
// MaxJSONDepth, and numbers that are no finite float64. Of equal keys the last
// value wins, at the place of the first, as in Python. An escaped lone
// surrogate becomes U+FFFD.
func ParseJSON(data []byte) (Value, error) {
	if !utf8.Valid(data) {
		return Value{}, errors.New("json: invalid UTF-8")
	}
	if !json.Valid(data) {
		// Valid says no more than no; decoding again gives the reason.
		var discard any
		if err := json.Unmarshal(data, &discard); err != nil {
			return Value{}, fmt.Errorf("json: %w", err)
		}
		return Value{}, errors.New("json: invalid text")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	v, err := readJSON(dec, 0)
	if err != nil {
		return Value{}, fmt.Errorf("json: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return Value{}, errors.New("json: bytes after the value")
	}
	return v, nil
}

func readJSON(dec *json.Decoder, depth int) (Value, error) {
	if depth > MaxJSONDepth {
		return Value{}, fmt.Errorf("nested more than %d deep", MaxJSONDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return Value{}, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			return readJSONArray(dec, depth)
		}
		return readJSONObject(dec, depth)
	case json.Number:
		return jsonNumber(string(t))
	case string:
		return String(t), nil
	case bool:
		return Bool(t), nil
	}
	return Null(), nil
}

func readJSONArray(dec *json.Decoder, depth int) (Value, error) {
	items := []Value{}
	for dec.More() {
		v, err := readJSON(dec, depth+1)
		if err != nil {
			return Value{}, err
		}
		items = append(items, v)
	}
	_, err := dec.Token() // the closing bracket
	return List(items...), err
}

func readJSONObject(dec *json.Decoder, depth int) (Value, error) {
	d := NewDict()
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return Value{}, err
		}
		name, ok := key.(string)
		if !ok {
			return Value{}, fmt.Errorf("object key %v is no string", key)
		}
		v, err := readJSON(dec, depth+1)
		if err != nil {
			return Value{}, err
		}
		d.Set(name, v)
	}
	_, err := dec.Token()
	return d.Value(), err
}

// jsonNumber makes an int of a number without fraction and exponent, as
// Python's json does, and a float of any other.
func jsonNumber(text string) (Value, error) {
	if strings.ContainsAny(text, ".eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return Value{}, fmt.Errorf("number %.40s is out of range", text)
		}
		return Float(f), nil
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return Int(i), nil
	}
	// Python refuses integers of more than 4300 digits, too.
	if len(text) > 4300 {
		return Value{}, errors.New("integer of more than 4300 digits")
	}
	n, ok := new(big.Int).SetString(text, 10)
	if !ok {
		return Value{}, fmt.Errorf("number %.40s is not valid", text)
	}
	return Value{n}, nil
}
