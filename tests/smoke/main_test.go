// Package smoke asks of the real binary, as a user would, whether it works at all.
package smoke

import (
	"os"
	"testing"

	"troupe/tests/troupetest"
)

func TestMain(m *testing.M) { os.Exit(troupetest.Main(m)) }
