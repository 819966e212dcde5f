package mlx

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDoReturnsTheError(t *testing.T) {
	thread := start(t)
	want := errors.New("no")
	require.Equal(t, want, thread.Do(func(*Context) error { return want }))
	require.Equal(t, CPU, thread.Device())
}

func TestDoAlwaysRunsOnTheSameThread(t *testing.T) {
	thread := start(t)
	var wg sync.WaitGroup
	ids := make(chan uint64, 50)
	for range cap(ids) {
		wg.Go(func() {
			_ = thread.Do(func(*Context) error {
				ids <- threadID()
				return nil
			})
		})
	}
	wg.Wait()
	close(ids)
	for id := range ids {
		require.Equal(t, thread.id, id)
	}
}

func TestDoInsideDo(t *testing.T) {
	thread := start(t)
	inner := 0
	require.NoError(t, thread.Do(func(*Context) error {
		return thread.Do(func(*Context) error {
			inner++
			return nil
		})
	}))
	require.Equal(t, 1, inner)
}

func TestPanicBecomesAnErrorAndTheThreadLives(t *testing.T) {
	thread := start(t)
	cause := errors.New("cause")
	err := thread.Do(func(*Context) error { panic(cause) })
	var p *PanicError
	require.ErrorAs(t, err, &p)
	require.ErrorIs(t, err, cause)
	require.Contains(t, string(p.Stack), "TestPanicBecomesAnError")
	require.NoError(t, thread.Do(func(*Context) error { return nil }))
}

func TestGoexitEndsTheThread(t *testing.T) {
	thread := start(t)
	require.ErrorContains(t, thread.Do(func(*Context) error {
		runtime.Goexit()
		return nil
	}), "Goexit")
	require.NoError(t, thread.Close())
	require.ErrorIs(t, thread.Do(func(*Context) error { return nil }), ErrClosed)
}

func TestClose(t *testing.T) {
	thread := start(t)
	require.NoError(t, thread.Close())
	require.NoError(t, thread.Close())
	require.ErrorIs(t, thread.Do(func(*Context) error { return nil }), ErrClosed)
}

func TestCloseWaitsForTheFunctionThatRuns(t *testing.T) {
	thread := start(t)
	running, finish := make(chan struct{}), make(chan struct{})
	result := make(chan error, 1)
	go func() {
		result <- thread.Do(func(*Context) error {
			close(running)
			<-finish
			return nil
		})
	}()
	<-running
	closed := make(chan error, 1)
	go func() { closed <- thread.Close() }()
	select {
	case err := <-closed:
		t.Fatal(err, "closed while a function was running")
	default:
	}
	close(finish)
	require.NoError(t, <-result)
	require.NoError(t, <-closed)
}

// Each thread has streams of its own; a process may start them one after another
// and beside each other.
func TestManyThreads(t *testing.T) {
	for range 20 {
		one, two := start(t), start(t)
		require.NotEqual(t, one.id, two.id)
		for _, thread := range []*Thread{one, two} {
			require.NoError(t, thread.Do(func(c *Context) error {
				g := c.NewGraph()
				return errors.Join(g.Eval(g.Add(g.Scalar(1, Float32), g.Scalar(2, Float32))), g.Close())
			}))
		}
		require.NoError(t, one.Close())
		require.NoError(t, two.Close())
	}
}

func TestWrongThreadIsRefused(t *testing.T) {
	thread, other := start(t), start(t)
	var g *Graph
	var a Array
	require.NoError(t, thread.Do(func(c *Context) error {
		g = c.NewGraph()
		a = g.Scalar(1, Float32)
		return g.Eval(a)
	}))
	refused := func() error {
		wrong := *g // the sticky error is left out of the real graph
		calls := map[string]func() error{
			"apply": func() error { wrong.Add(a, a); return wrong.Err() },
			"eval":  func() error { return wrong.Eval(a) },
			"data":  func() error { wrong.Zeros(Float32, 1); return wrong.Err() },
			"bytes": func() error { wrong.FromInt32s([]int32{1}, 1); return wrong.Err() },
			"slot":  func() error { wrong.NewSlot(a); return wrong.Err() },
			"read":  func() error { _, err := wrong.Float32s(a); return err },
			"close": func() error { return wrong.Close() },
		}
		for name, call := range calls {
			wrong.err = nil
			if err := call(); !errors.Is(err, ErrThread) {
				return errors.New(name + " was allowed on another thread")
			}
		}
		return nil
	}
	require.NoError(t, refused(), "on a goroutine of the test")
	require.NoError(t, other.Do(func(*Context) error { return refused() }), "on another MLX thread")
	require.NoError(t, thread.Do(func(*Context) error {
		requireValues(t, g, g.Add(a, a), []float64{2}, 0)
		return g.Close()
	}))
}

func TestOptions(t *testing.T) {
	if err := Available(); err != nil {
		t.Skip(err)
	}
	auto, err := Start(Options{CacheLimit: 1 << 20, MemoryLimit: 1 << 30})
	require.NoError(t, err)
	require.Contains(t, []Device{CPU, GPU}, auto.Device())
	require.NoError(t, auto.Close())

	gpu, err := Start(Options{Device: GPU})
	if err != nil {
		require.ErrorContains(t, err, "no GPU that MLX can use")
	} else {
		require.Equal(t, GPU, gpu.Device())
		require.NoError(t, gpu.Close())
	}
	require.Equal(t, "auto cpu gpu Device(7)", Auto.String()+" "+CPU.String()+" "+GPU.String()+" "+Device(7).String())
}
