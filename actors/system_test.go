package actors_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"troupe/actors"
	"troupe/runtime/enginetest"
	"troupe/runtime/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// letters is a decoder that writes token n as the n-th of 64 characters, so that the text shows the tokens.
type letters struct{}

const alphabet = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/"

func (letters) Push(id int32) string { return alphabet[id : id+1] }
func (letters) Flush() string        { return "" }

func spell(ids []int32) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteByte(alphabet[id])
	}
	return b.String()
}

// start runs a system on a fake engine until the test ends.
func start(t testing.TB, o enginetest.Options, cfg actors.Config) *actors.System {
	t.Helper()
	cfg.Engine = enginetest.NewFake(o)
	if cfg.Model == nil {
		cfg.Model = plainModel()
	}
	cfg.Decoder = func() actors.Decoder { return letters{} }
	s, err := actors.Start(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func plainModel() *model.Model { return &model.Model{ID: "fake"} }

// prompt returns n tokens that depend on seed.
func prompt(seed, n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32((seed*31 + i*i*7 + i*seed) % 63)
	}
	return out
}

func generate(t testing.TB, s *actors.System, r actors.Request) *actors.Stream {
	t.Helper()
	st, err := s.Generate(context.Background(), r)
	require.NoError(t, err)
	return st
}

func stats(t testing.TB, s *actors.System) actors.Stats {
	t.Helper()
	st, err := s.Stats(context.Background())
	require.NoError(t, err)
	return st
}

// read collects a stream to its end.
func read(st *actors.Stream) (text string, cached int, o actors.Outcome) {
	var b strings.Builder
	for e := range st.Events() {
		if e.Started {
			cached = e.Cached
		}
		b.WriteString(e.Text)
	}
	return b.String(), cached, st.Outcome()
}
