package jinja

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseJSONKeepsOrderAndNumbers(t *testing.T) {
	for _, text := range []string{
		`{"b":1,"a":2.0,"c":{"z":[],"y":{}}}`,
		`[1,1.0,-0.0,0,1e+16,1e-07,12345678901234567890,9223372036854775807,-9223372036854775808,true,false,null,"\u0001é\"\\/"]`,
		`"x"`, `5`,
	} {
		v, err := ParseJSON([]byte(text))
		require.NoError(t, err)
		out, err := json.Marshal(v)
		require.NoError(t, err)
		require.Equal(t, text, string(out))
	}
}

func TestParseJSONRefusals(t *testing.T) {
	for _, text := range []string{
		"", " ", "{", "[1,]", "[1 2]", `{"a":1,}`, `{"a"}`, `{1:2}`, "1 2", "nul", "NaN", "01", "1.", `"\x"`, "\"\n\"", "'a'", "[]]", "{}x",
		"\"\xff\"", "\xef\xbb\xbf1", "1e999", "-1e999", strings.Repeat("[", 100_000), strings.Repeat("9", 5000),
		strings.Repeat("[", MaxJSONDepth+2) + strings.Repeat("]", MaxJSONDepth+2),
	} {
		_, err := ParseJSON([]byte(text))
		require.Error(t, err, "%.40q", text)
	}
	deep := strings.Repeat("[", MaxJSONDepth) + strings.Repeat("]", MaxJSONDepth)
	_, err := ParseJSON([]byte(deep))
	require.NoError(t, err)
}

func TestParseJSONOddities(t *testing.T) {
	v, err := ParseJSON([]byte(`{"a":1,"b":2,"a":3}`))
	require.NoError(t, err)
	out, err := v.MarshalJSON()
	require.NoError(t, err)
	require.Equal(t, `{"a":3,"b":2}`, string(out))
	v, err = ParseJSON([]byte(`"\ud800 \ud83d\ude00"`))
	require.NoError(t, err)
	require.Equal(t, String("\ufffd 😀"), v)
}

func TestAccessors(t *testing.T) {
	d := NewDict().Set("a", Int(1)).Set("b", Bool(true))
	v := d.Value()
	require.Equal(t, MapKind, v.Kind())
	got, ok := v.Get("a")
	require.True(t, ok)
	i, ok := got.AsInt()
	require.True(t, ok)
	require.EqualValues(t, 1, i)
	_, ok = v.Get("x")
	require.False(t, ok)
	_, ok = Int(1).Get("x")
	require.False(t, ok)
	require.Equal(t, 2, v.Map().Len())
	key, value := v.Map().Entry(1)
	require.Equal(t, "b", key)
	b, ok := value.AsBool()
	require.True(t, ok && b)

	require.True(t, Null().IsNull())
	require.Equal(t, NullKind, Value{}.Kind())
	f, ok := Float(2.5).AsFloat()
	require.True(t, ok)
	require.Equal(t, 2.5, f)
	f, ok = Int(2).AsFloat()
	require.True(t, ok)
	require.Equal(t, 2.0, f)
	_, ok = String("2").AsFloat()
	require.False(t, ok)
	s, ok := String("x").AsString()
	require.True(t, ok)
	require.Equal(t, "x", s)
	require.Len(t, List(Int(1), Int(2)).Items(), 2)
	require.Nil(t, String("x").Items())
	require.Nil(t, String("x").Map())
	for kind, v := range map[ValueKind]Value{BoolKind: Bool(false), IntKind: Int(0), FloatKind: Float(0), StringKind: String(""), ListKind: List(), OtherKind: newTuple()} {
		require.Equal(t, kind, v.Kind())
	}
}

func TestMarshalRefusesWhatIsNoJSON(t *testing.T) {
	for _, v := range []Value{Float(math.NaN()), Float(math.Inf(1)), List(Float(math.Inf(-1))), undefinedName("x")} {
		_, err := json.Marshal(v)
		require.Error(t, err)
	}
	var holder struct{ V Value }
	require.NoError(t, json.Unmarshal([]byte(`{"V":{"b":[1,2.0],"a":null}}`), &holder))
	out, err := json.Marshal(holder)
	require.NoError(t, err)
	require.Equal(t, `{"V":{"b":[1,2.0],"a":null}}`, string(out))
}
