package jinja

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// small are the limits under which fuzzed templates run.
var small = Limits{Steps: 20_000, Output: 1 << 16, Alloc: 1 << 20, Depth: 20, Time: 10 * time.Second}

func FuzzParse(f *testing.F) {
	for _, c := range readMicro(f).Cases {
		f.Add(c.Template)
	}
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Parse(source)
		var e *Error
		switch {
		case err == nil && tmpl == nil:
			t.Fatal("neither template nor error")
		case err != nil && (!errors.As(err, &e) || e.Kind != KindSyntax):
			t.Fatalf("error of another kind: %v", err)
		}
	})
}

func FuzzRender(f *testing.F) {
	micro := readMicro(f)
	for _, c := range micro.Cases {
		f.Add(c.Template)
	}
	for _, source := range hostile {
		f.Add(source)
	}
	vars := micro.vars()
	f.Fuzz(func(t *testing.T, source string) {
		tmpl, err := Parse(source)
		if err != nil {
			return
		}
		o := Options{Limits: small, Now: goldenNow}
		text, err := tmpl.Render(context.Background(), vars, o)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Kind == KindSyntax {
				t.Fatalf("error of another kind: %v", err)
			}
			if strings.Contains(err.Error(), "took longer") {
				t.Fatalf("steps and bytes did not end this in time: %q", source)
			}
			return
		}
		if len(text) > small.Output {
			t.Fatalf("output of %d bytes", len(text))
		}
		if !utf8.ValidString(text) {
			t.Fatalf("output is not UTF-8: %q", text)
		}
		again, err := tmpl.Render(context.Background(), vars, o)
		if err != nil || again != text {
			t.Fatalf("second run differs: %q, %q, %v", text, again, err)
		}
	})
}

func FuzzParseJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,2.0,"x",null,true]}`, `{"a":1,"a":2}`, `"\ud800"`, `1e400`, `[[[[]]]]`, "\"\xff\"", `-0`, `12345678901234567890123`, ` [ 1 , 2 ] `, `{}{}`, `[1,]`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ParseJSON(data)
		valid := json.Valid(data)
		if err == nil && !valid {
			t.Fatalf("accepts what encoding/json refuses: %q", data)
		}
		if err != nil {
			for _, known := range []string{"UTF-8", "out of range", "nested", "4300 digits"} {
				if strings.Contains(err.Error(), known) {
					return
				}
			}
			if valid {
				t.Fatalf("refuses what encoding/json accepts: %q: %v", data, err)
			}
			return
		}
		out, err := v.MarshalJSON()
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		again, err := ParseJSON(out)
		if err != nil {
			t.Fatalf("cannot be read again: %q: %v", out, err)
		}
		second, err := again.MarshalJSON()
		if err != nil || string(second) != string(out) {
			t.Fatalf("changes on the way: %q, %q", out, second)
		}
	})
}
