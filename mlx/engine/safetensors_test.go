package engine

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHeaderFindsTensors(t *testing.T) {
	data := safetensorsFile(t, map[string][]int64{"a": {2, 3}, "b": {}, "c": {0, 5}}, nil)
	tensors, err := readHeader(bytes.NewReader(data), int64(len(data)), "x.safetensors")
	require.NoError(t, err)
	byName := map[string]Tensor{}
	for _, x := range tensors {
		byName[x.Name] = x
	}
	start := int64(len(data)) - 14
	require.Equal(t, Tensor{Name: "a", DType: "F16", Shape: []int64{2, 3}, File: "x.safetensors", Offset: start, Bytes: 12}, byName["a"])
	require.Equal(t, Tensor{Name: "b", DType: "F16", Shape: []int64{}, File: "x.safetensors", Offset: start + 12, Bytes: 2}, byName["b"])
	require.Zero(t, byName["c"].Bytes)
}

func TestHeaderLiesAreRefused(t *testing.T) {
	one := func(dtype, shape, offsets string) []byte {
		h := []byte(fmt.Sprintf(`{"t":{"dtype":%q,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets))
		return append(rawHeader(uint64(len(h)), h), make([]byte, 16)...)
	}
	raw := func(h string) []byte { return rawHeader(uint64(len(h)), []byte(h)) }
	cases := map[string]struct {
		data []byte
		want string
	}{
		"empty":              {nil, "too short"},
		"longer than format": {rawHeader(math.MaxUint64, nil), "more than the format's"},
		"longer than file":   {rawHeader(1<<20, []byte("{}")), "may be truncated"},
		"not JSON":           {raw("hello"), "not a JSON object"},
		"a list":             {raw("[]"), "not a JSON object"},
		"cut JSON":           {raw(`{"t":`), `"t"`},
		"goes on":            {raw(`{} {}`), "goes on"},
		"twice":              {raw(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`), "twice"},
		"metadata":           {raw(`{"__metadata__":{"a":1}}`), "metadata"},
		"dtype":              {one("F17", "[2]", "[0,4]"), "unknown"},
		"no shape":           {raw(`{"t":{"dtype":"F32","data_offsets":[0,4]}}`), "shape is missing"},
		"rank":               {one("F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]"), "dimensions"},
		"negative dimension": {one("F32", "[-1]", "[0,4]"), "negative"},
		"negative twice":     {one("F32", "[-2,-2]", "[0,16]"), "negative"},
		"overflow":           {one("F32", "[4294967296,4294967296]", "[0,0]"), "larger than memory"},
		"fraction":           {one("F32", "[1.5]", "[0,4]"), "1.5"},
		"one offset":         {one("F32", "[1]", "[0]"), "not a pair"},
		"behind the end":     {one("F32", "[5]", "[0,20]"), "may be truncated"},
		"negative offset":    {one("F32", "[1]", "[-4,0]"), "outside"},
		"reversed":           {one("F32", "[1]", "[8,4]"), "outside"},
		"wrong size":         {one("F32", "[3]", "[0,16]"), "takes 12 bytes"},
		"overlap": {safetensorsFile(t, map[string][]int64{"a": {4}, "b": {4}}, func(h map[string]*entry) {
			h["b"].Offsets = []int64{6, 14}
		}), `"a" and "b" overlap`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := readHeader(bytes.NewReader(c.data), int64(len(c.data)), "f")
			require.ErrorContains(t, err, c.want)
		})
	}
}

// FuzzHeader holds the promises of Tensor for any bytes.
func FuzzHeader(f *testing.F) {
	f.Add(safetensorsFile(f, map[string][]int64{"a": {2, 3}, "b": {1}}, nil))
	f.Add(safetensorsFile(f, tinyShapes(), nil))
	f.Add(rawHeader(2, []byte("{}")))
	f.Add(rawHeader(1<<40, []byte("{")))
	f.Add([]byte(`{"__metadata__":{"format":"mlx"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		tensors, err := readHeader(bytes.NewReader(data), int64(len(data)), "f")
		if err != nil {
			return
		}
		for i, a := range tensors {
			require.GreaterOrEqual(t, a.Offset, int64(8))
			require.LessOrEqual(t, a.Offset+a.Bytes, int64(len(data)))
			width, ok := dtypeBytes(a.DType)
			require.True(t, ok)
			n, err := product(a.Shape, width)
			require.NoError(t, err)
			require.Equal(t, n, a.Bytes)
			for _, b := range tensors[:i] {
				require.NotEqual(t, a.Name, b.Name)
				apart := a.Offset+a.Bytes <= b.Offset || b.Offset+b.Bytes <= a.Offset
				require.True(t, apart || a.Bytes == 0 || b.Bytes == 0)
			}
		}
	})
}
