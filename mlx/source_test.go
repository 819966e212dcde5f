package mlx

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// functions prints the signature of every function of a file.
func functions(t *testing.T, file string) map[string]string {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, 0)
	require.NoError(t, err)
	out := map[string]string{}
	for _, decl := range parsed.Decls {
		f, ok := decl.(*ast.FuncDecl)
		if !ok {
			continue
		}
		require.False(t, f.Name.IsExported(), "%s: exported functions belong in files that both builds share", f.Name)
		var text strings.Builder
		require.NoError(t, printer.Fprint(&text, set, f.Type))
		out[f.Name.Name] = text.String()
	}
	return out
}

// With and without MLX the package has the same API, because all of it is in
// files that both builds share, above two twins with the same functions.
func TestTwins(t *testing.T) {
	real, twin := functions(t, "shim.go"), functions(t, "shim_nomlx.go")
	delete(real, "failure") // helpers of the cgo side
	delete(real, "first")
	require.NotEmpty(t, twin)
	require.Equal(t, real, twin)

	files, err := os.ReadDir(".")
	require.NoError(t, err)
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), ".go") || strings.HasPrefix(f.Name(), "shim") || strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		text, err := os.ReadFile(f.Name())
		require.NoError(t, err)
		require.NotContains(t, string(text), "//go:build", f.Name())
		require.NotContains(t, string(text), "import \"C\"", f.Name())
	}
}

// The operations have the same order in Go and C++.
func TestOpTables(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "op.go", nil, 0)
	require.NoError(t, err)
	header, err := os.ReadFile("op.h")
	require.NoError(t, err)
	names := regexp.MustCompile(`X\((\w+)\)`).FindAllStringSubmatch(string(header), -1)
	names = names[:len(names)-1] // the macro that makes the enum

	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, "_", "")) }
	var count int
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name == "opCount" {
			return true
		}
		require.Less(t, count, len(names))
		require.Equal(t, plain(names[count][1]), strings.ToLower(strings.TrimPrefix(spec.Names[0].Name, "op")))
		if Available() == nil {
			require.Equal(t, names[count][1], opName(op(count)))
		}
		count++
		return true
	})
	require.Equal(t, int(opCount), count)
	require.Len(t, names, count)
}

// The version is pinned in three places that cannot import each other.
func TestVersionPins(t *testing.T) {
	var major, minor, patch int
	_, err := fmt.Sscanf(Version, "%d.%d.%d", &major, &minor, &patch)
	require.NoError(t, err)
	header, err := os.ReadFile("graph.h")
	require.NoError(t, err)
	require.Contains(t, string(header), fmt.Sprintf("MLX_VERSION_NUMERIC == %d", 100000*major+1000*minor+patch))
	require.Contains(t, string(header), "not those of MLX "+Version)
	script, err := os.ReadFile("fetch.sh")
	require.NoError(t, err)
	require.Contains(t, string(script), "\nversion="+Version+" ")
}

func TestWithoutMLX(t *testing.T) {
	if Available() == nil {
		t.Skip("built with MLX")
	}
	thread, err := Start(Options{})
	require.ErrorIs(t, err, ErrNotBuilt)
	require.Nil(t, thread)
	require.ErrorIs(t, Available(), ErrNotBuilt)
}
