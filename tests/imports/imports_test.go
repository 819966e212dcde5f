// Package imports checks the direction of imports: the map of the house in DESIGN, as a test.
package imports

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "troupe"

// rules lists, for each folder, what its packages may import of this module, and why not the rest; "/..." includes the folders below. The longest
// folder that matches a package counts. Test files are free.
var rules = []struct {
	folder string
	may    []string
	why    string
}{
	{"runtime", nil, "the pure core decides; whatever it imported could make a decision depend on a clock, a disk or a device"},
	{"runtime/enginetest", []string{"runtime"}, "a conformance suite knows the interface only, so that every engine can run it"},
	{"runtime/storetest", []string{"runtime"}, "a conformance suite knows the interface only, so that every store can run it"},
	{"runtime/tokenizer", nil, "text to ids and back needs nothing of the server"},
	{"runtime/chat", nil, "templates come with models and are untrusted: they reach nothing"},
	{"runtime/model", []string{"runtime", "runtime/tokenizer", "runtime/chat/..."}, "the text side of a model is known without an engine"},
	{"actors", []string{"runtime/..."}, "actors talk to an Engine, never to MLX, and know nothing of HTTP"},
	{"http", []string{"actors", "runtime/..."}, "the wire knows agents, not devices or disks"},
	{"mlx", nil, "the binding is below everything"},
	{"mlx/engine", []string{"mlx", "runtime/..."}, "an engine is used by actors and must not know them"},
	{"mlx/starter", nil, "the starter model is data, loaded like any folder"},
	{"persistence", []string{"runtime"}, "a store is used by actors and must not know them"},
	{"cmd", []string{"..."}, "the wiring may see everything"},
	{"tests", []string{"..."}, "tests may see everything"},
	{"benchmarks", []string{"..."}, "benchmarks may see everything"},
}

// pure names the standard packages that the core may not use.
var pure = map[string]string{
	"os": "I/O", "net": "I/O", "net/http": "I/O", "io/fs": "I/O", "os/exec": "I/O", "C": "cgo", "unsafe": "the core needs no tricks",
	"sync": "one owner at a time needs no locks", "log/slog": "what happened is returned, not logged",
}

type pkg struct {
	ImportPath string
	Imports    []string
	CgoFiles   []string
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range list(t) {
		folder := strings.TrimPrefix(p.ImportPath, module+"/")
		at := ruleFor(folder)
		require.NotEqual(t, -1, at, "%s is outside the folders of the house", folder)
		r := rules[at]
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module+"/")
			if ours && !allowed(r.folder, r.may, to) {
				t.Errorf("%s imports %s: %s", folder, to, r.why)
			}
			if why := pure[imp]; folder == "runtime" && why != "" {
				t.Errorf("runtime imports %s (%s): %s", imp, why, r.why)
			}
		}
		if len(p.CgoFiles) > 0 && folder != "mlx" {
			t.Errorf("%s uses cgo: only mlx may, so that one package holds every rule about C memory and threads", folder)
		}
	}
}

// TestLibrariesStayWhereTheyBelong keeps each framework known to one folder.
func TestLibrariesStayWhereTheyBelong(t *testing.T) {
	homes := map[string][]string{
		"github.com/gofiber/fiber":          {"http"},
		"github.com/asynkron/protoactor-go": {"actors", "tests"},
		"github.com/vmihailenco/msgpack":    {"persistence"},
		"github.com/alecthomas/kong":        {"cmd", "benchmarks"},
		"go.opentelemetry.io":               {"http"},
	}
	for _, p := range list(t) {
		folder := strings.TrimPrefix(p.ImportPath, module+"/")
		for _, imp := range p.Imports {
			for lib, homes := range homes {
				if strings.HasPrefix(imp, lib) && !under(folder, homes) {
					t.Errorf("%s imports %s, which belongs to %v", folder, imp, homes)
				}
			}
		}
	}
}

func ruleFor(folder string) int {
	best := -1
	for i, r := range rules {
		if inside(folder, r.folder) && (best < 0 || len(r.folder) > len(rules[best].folder)) {
			best = i
		}
	}
	return best
}

// allowed reports whether a package under a folder may import another: its own folder's packages that have no rule of their own, or what may lists.
// The test kits are for test files, tests and benchmarks.
func allowed(folder string, may []string, to string) bool {
	if at := ruleFor(to); at >= 0 && rules[at].folder == folder {
		return true
	}
	kit := to == "runtime/enginetest" || to == "runtime/storetest"
	for _, m := range may {
		tree, below := strings.CutSuffix(m, "...")
		if to == m || below && strings.HasPrefix(to+"/", tree) && (!kit || tree == "") {
			return true
		}
	}
	return false
}

func under(folder string, homes []string) bool {
	for _, h := range homes {
		if inside(folder, h) {
			return true
		}
	}
	return false
}

func inside(folder, home string) bool {
	return folder == home || strings.HasPrefix(folder, home+"/")
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports,CgoFiles", path.Join(module, "..."))
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pkgs []pkg
	for dec := json.NewDecoder(out); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		pkgs = append(pkgs, p)
	}
	require.NoError(t, cmd.Wait())
	require.Greater(t, len(pkgs), 5, "the packages were listed")
	return pkgs
}
