package mlx

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
)

// Device is where MLX computes.
type Device int32

// The devices that Options can ask for.
const (
	Auto Device = iota // the GPU if there is one that works, else the CPU
	CPU
	GPU
)

// String returns the name of the device in lower case.
func (d Device) String() string {
	switch d {
	case Auto:
		return "auto"
	case CPU:
		return "cpu"
	case GPU:
		return "gpu"
	}
	return fmt.Sprintf("Device(%d)", int32(d))
}

// Options are the settings of a Thread. The zero value is usable.
type Options struct {
	Device Device
	// CacheLimit bounds the freed memory, in bytes, that MLX keeps for reuse in
	// this process; 0 leaves MLX's default on the CPU and means 512 MiB on a GPU,
	// where MLX by itself would keep everything.
	CacheLimit int
	// MemoryLimit is where MLX starts to wait for running work before it
	// allocates more, in bytes; 0 leaves MLX's default.
	MemoryLimit int
}

const defaultGPUCache = 512 << 20

// Thread is the one OS thread on which its graphs live. Its methods may be
// called from any goroutine.
type Thread struct {
	jobs  chan job
	quit  chan struct{} // closed by Close
	ended chan struct{} // closed when the goroutine is about to end

	closing  sync.Once
	device   Device
	id       uint64 // of the OS thread
	closeErr error  // written before ended is closed
}

type job struct {
	fn   func(*Context) error
	done chan error // capacity 1
}

// Start locks a new goroutine to an OS thread for life and sets MLX up on it.
// It fails with ErrNotBuilt, with a message about versions if the library that
// was found is not the one whose headers the shim was compiled with, and if
// the device that was asked for is not there.
func Start(opts Options) (*Thread, error) {
	t := &Thread{
		jobs:  make(chan job),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	started := make(chan error)
	go t.run(opts, started)
	if err := <-started; err != nil {
		<-t.ended
		return nil, err
	}
	return t, nil
}

// Device returns where this thread computes: CPU or GPU.
func (t *Thread) Device() Device { return t.device }

// Do runs fn on the thread, after the calls that came before, and returns its
// error. A panic in fn is returned as a *PanicError. Called from inside another
// Do of the same thread it runs fn at once. fn must not keep the Context, nor
// use graphs after it returned; the graphs themselves live on and may be used
// in the next Do.
func (t *Thread) Do(fn func(*Context) error) error {
	if threadID() == t.id {
		return t.protect(fn)
	}
	j := job{fn: fn, done: make(chan error, 1)}
	select {
	case t.jobs <- j:
		return <-j.done
	case <-t.ended:
		return ErrClosed
	}
}

// Close waits for the function that is running, waits for the device, frees
// the thread's streams and ends the goroutine. Graphs that are still open must
// not be used any more. A second Close returns the result of the first.
func (t *Thread) Close() error {
	t.closing.Do(func() { close(t.quit) })
	<-t.ended
	return t.closeErr
}

func (t *Thread) run(opts Options, started chan<- error) {
	// Never unlocked: the OS thread ends with the goroutine, and its
	// thread-local state in MLX with it.
	runtime.LockOSThread()
	defer close(t.ended)
	t.id = threadID()
	if err := t.setUp(opts); err != nil {
		started <- err
		return
	}
	// Deferred, so that it also happens when a job ends the goroutine.
	defer func() { t.closeErr = shutDown() }()
	started <- nil
	for {
		select {
		case j := <-t.jobs:
			t.serve(j)
		case <-t.quit:
			return
		}
	}
}

// serve answers a job in every case, also when its function leaves through
// runtime.Goexit (as testing.T.FailNow does), which ends the thread.
func (t *Thread) serve(j job) {
	err := errors.New("mlx: the function ended the MLX thread with runtime.Goexit")
	defer func() { j.done <- err }()
	err = t.protect(j.fn)
}

func (t *Thread) protect(fn func(*Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return fn(&Context{thread: t})
}

func (t *Thread) setUp(opts Options) error {
	if err := Available(); err != nil {
		return err
	}
	device, err := startUp(opts.Device)
	if err != nil {
		return err
	}
	t.device = device
	limit := opts.CacheLimit
	if limit == 0 && device == GPU {
		limit = defaultGPUCache
	}
	if limit > 0 {
		if err := setCacheLimit(limit); err != nil {
			return err
		}
	}
	if opts.MemoryLimit > 0 {
		if err := setMemoryLimit(opts.MemoryLimit); err != nil {
			return err
		}
	}
	return nil
}
