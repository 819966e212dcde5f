package storetest_test

import (
	"testing"

	"troupe/runtime"
	"troupe/runtime/storetest"
)

func TestFakeKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) runtime.Store { return storetest.NewFake() })
}
