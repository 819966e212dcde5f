package jinja

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// goldenNow is the time at which gen.py let strftime_now stand.
var goldenNow = time.Date(2026, 3, 7, 4, 5, 6, 789012000, time.UTC)

// microFile is testdata/micro.json, which gen.py wrote with jinja2.
type microFile struct {
	Context Value       `json:"context"`
	Cases   []microCase `json:"cases"`
}

// microCase has one of Output, Raised and Fails.
type microCase struct {
	Template string
	Output   *string
	Raised   *string
	Fails    *string
}

func readMicro(t testing.TB) microFile {
	t.Helper()
	data, err := os.ReadFile("testdata/micro.json")
	require.NoError(t, err)
	var f microFile
	require.NoError(t, json.Unmarshal(data, &f))
	require.Greater(t, len(f.Cases), 600)
	return f
}

func (f microFile) vars() map[string]Value {
	vars := map[string]Value{}
	d := f.Context.Map()
	for i := range d.Len() {
		name, v := d.Entry(i)
		vars[name] = v
	}
	return vars
}

// renderSource parses and renders.
func renderSource(source string, vars map[string]Value) (string, error) {
	tmpl, err := Parse(source)
	if err != nil {
		return "", err
	}
	return tmpl.Render(context.Background(), vars, Options{Now: goldenNow})
}

func TestMicroGoldens(t *testing.T) {
	f := readMicro(t)
	vars := f.vars()
	for _, c := range f.Cases {
		t.Run(c.Template, func(t *testing.T) {
			got, err := renderSource(c.Template, vars)
			switch {
			case c.Output != nil:
				require.NoError(t, err)
				require.Equal(t, *c.Output, got)
			case c.Raised != nil:
				var e *Error
				require.True(t, errors.As(err, &e), "%v", err)
				require.ErrorIs(t, err, ErrRaised)
				require.Equal(t, *c.Raised, e.Message)
			default:
				require.Error(t, err, "jinja2 fails with %s, got %q", *c.Fails, got)
				require.NotErrorIs(t, err, ErrRaised)
			}
		})
	}
}
