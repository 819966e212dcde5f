package mlx

import (
	"errors"
	"fmt"
)

var (
	// ErrNotBuilt says that this binary has no MLX in it.
	ErrNotBuilt = errors.New("mlx: built without MLX (-tags nomlx or CGO_ENABLED=0); build with cgo and without that tag")
	// ErrClosed says that a Thread or Graph was used after Close.
	ErrClosed = errors.New("mlx: used after Close")
	// ErrThread says that a call came from another OS thread than the one that
	// owns the graph; run it inside Thread.Do.
	ErrThread = errors.New("mlx: called from another thread than the one that owns the graph; use Thread.Do")
	// ErrNull says that an operation was given the null Array.
	ErrNull = errors.New("mlx: null array")
)

// PanicError is a panic of a function that ran in Thread.Do.
type PanicError struct {
	Value any
	Stack []byte // the stack of the panic, as debug.Stack prints it
}

// Error gives the value; the stack is in Stack.
func (e *PanicError) Error() string { return fmt.Sprintf("mlx: panic on the MLX thread: %v", e.Value) }

// Unwrap returns the value if it was an error, so that errors.Is sees through a panic.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

func errParts(n int) error { return fmt.Errorf("cannot split into %d parts", n) }

func errTopK(k int, shape []int) error {
	return fmt.Errorf("want a [B, V] array with 1 <= k <= V, got k = %d and shape %v", k, shape)
}
