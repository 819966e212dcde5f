package http

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"troupe/runtime"
)

// maxDepth is how deep a body may nest. Tool schemas and inputs, the deepest thing that clients send, stay far below it.
const maxDepth = 256

// decodeBody decodes a whole request body into a struct. Its errors are Invalid and say where in the body they are: line and column for what is not
// JSON, the field for a wrong type.
func decodeBody(body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return runtime.Errorf(runtime.Invalid, "the request body is empty: send a JSON object")
	}
	if err := checkText(body); err != nil {
		return err
	}
	return decodeField("", body, v)
}

// decodeField decodes the JSON value of the field at path, which is empty for the body itself. An absent value leaves v as it is.
func decodeField(path string, raw json.RawMessage, v any) error {
	if len(raw) == 0 {
		return nil
	}
	err := json.Unmarshal(raw, v)
	if err == nil {
		return nil
	}
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	var invalid *runtime.Error
	switch {
	case errors.As(err, &syntax):
		line, column := position(raw, int(syntax.Offset))
		return runtime.Errorf(runtime.Invalid, "the request body is not valid JSON at line %d, column %d: %s", line, column, syntax)
	case errors.As(err, &wrong):
		// encoding/json names the embedded struct as well, which the client does not know of.
		field := join(path, strings.TrimPrefix(wrong.Field, "samplingFields."))
		if field == "" {
			return runtime.Errorf(runtime.Invalid, "the request body must be %s, not %s", typeName(wrong), wrong.Value)
		}
		return wrongType(field, typeName(wrong), wrong.Value)
	case errors.As(err, &invalid):
		return err
	default:
		return &runtime.Error{Kind: runtime.Invalid, Param: path, Message: strings.TrimPrefix(err.Error(), "json: ")}
	}
}

// wrongType is the error for a field of the wrong type. Both are in the words of JSON.
func wrongType(path, want, got string) error {
	return runtime.InvalidParam(path, "%s must be %s, not %s", path, want, got)
}

// join puts a field name behind the path that leads to it.
func join(path, field string) string {
	switch {
	case path == "":
		return field
	case field == "":
		return path
	}
	return path + "." + field
}

// at returns the path of an element of a list.
func at(path string, i int) string { return path + "." + strconv.Itoa(i) }

// typeName says in the words of JSON what a Go type accepts.
func typeName(e *json.UnmarshalTypeError) string {
	switch kind := e.Type.Kind().String(); {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "uint"):
		return "an integer"
	case strings.HasPrefix(kind, "float"):
		return "a number in the range of a double"
	case kind == "bool":
		return "true or false"
	case kind == "string":
		return "a string"
	case kind == "slice":
		return "a list"
	default:
		return "an object"
	}
}

// jsonType names the type of a valid JSON value by its first byte; "" stands for an absent one.
func jsonType(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ""
	}
	switch raw[0] {
	case '"':
		return "string"
	case '[':
		return "list"
	case '{':
		return "object"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "number"
	}
}

// integer is an integer of a request. JSON does not tell 10 from 10.0, and some clients send the latter.
type integer int64

// UnmarshalJSON accepts every number that is an integer in the range of int64.
func (i *integer) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if n, err := strconv.ParseInt(string(b), 10, 64); err == nil {
		*i = integer(n)
		return nil
	}
	f, err := strconv.ParseFloat(string(b), 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		// The decoder adds the field's name only to its own errors, so let it make one.
		return json.Unmarshal(b, new(int64))
	}
	*i = integer(f)
	return nil
}

// checkText returns an Invalid error for what encoding/json repairs in silence or allows too much of: bytes that are not UTF-8, escapes that are half
// of a surrogate pair, and nesting beyond maxDepth. It reads a body once and takes it to be JSON; the decoder says so if it is not.
func checkText(body []byte) error {
	if !utf8.Valid(body) {
		i := invalidUTF8(body)
		line, column := position(body, i+1)
		return runtime.Errorf(runtime.Invalid, "the request body is not valid UTF-8 at line %d, column %d: byte 0x%02x", line, column, body[i])
	}
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			n, ok := escape(body[i:])
			if !ok {
				line, column := position(body, i+1)
				return runtime.Errorf(runtime.Invalid, "the request body has half of a surrogate pair at line %d, column %d: %s", line, column, body[i:i+6])
			}
			i += n - 1
		case !quoted && (c == '{' || c == '['):
			if depth++; depth > maxDepth {
				return runtime.Errorf(runtime.Invalid, "the request body is nested deeper than %d levels", maxDepth)
			}
		case !quoted && (c == '}' || c == ']'):
			depth--
		}
	}
	return nil
}

// escape returns the length of the escape sequence that s begins with, a surrogate pair being one, and false for half of a pair.
func escape(s []byte) (n int, ok bool) {
	r, isHex := hexEscape(s)
	if !isHex {
		return 2, true
	}
	if !utf16.IsSurrogate(r) {
		return 6, true
	}
	low, _ := hexEscape(s[6:])
	return 12, utf16.DecodeRune(r, low) != utf8.RuneError
}

// hexEscape reads a \uXXXX.
func hexEscape(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	v, err := strconv.ParseUint(string(s[2:6]), 16, 32)
	return rune(v), err == nil
}

// invalidUTF8 returns the index of the first byte that is not UTF-8.
func invalidUTF8(b []byte) int {
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return len(b)
}

// position turns the number of bytes read up to and with the offending one into a line and a column, both from 1; a column counts bytes.
func position(b []byte, offset int) (line, column int) {
	before := b[:max(0, min(offset-1, len(b)))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

// textOf quotes a value for an error message, cut short.
func textOf(v string) string {
	const most = 64
	if len(v) > most {
		return fmt.Sprintf("%q...", strings.ToValidUTF8(v[:most], ""))
	}
	return strconv.Quote(v)
}
