// Package mlx is the binding to Apple's MLX, and the only package that uses cgo.
//
// # The thread rule
//
// Streams and command encoders of MLX belong to the OS thread that made them.
// A [Thread] is that OS thread: [Start] makes it, [Thread.Do] runs a function
// on it, and everything that touches MLX is reached through the [Context] which
// Do hands over. Calls from any other thread are refused with [ErrThread].
//
// # Ownership
//
// A [Graph] owns the arrays that its methods return and frees them all at once
// in Close; there are no finalizers. Arrays of one graph may be inputs to
// operations of another: weights live in a graph of their own for as long as
// the model, the arrays of a step in a graph that is closed when the step ends.
// A [Slot] is an array that is updated in place (a KV pool): an update consumes
// the old value, so MLX writes into its buffer instead of copying it.
//
// # Errors
//
// Operations only build a computation; [Graph.Eval] runs it. The first error in
// a graph sticks: later operations do nothing and return the null Array, and
// [Graph.Eval], the methods that copy out, and [Graph.Err] report it. So a forward
// pass is written without a check after every line.
//
// # Building
//
// fetch.sh puts the pinned MLX into .mlx at the root of the checkout, where plain go build
// and go test find it. Without
// cgo or with -tags nomlx the package builds without MLX: [Start] then returns
// [ErrNotBuilt], and so nothing else can be reached.
package mlx
