// Package engine implements [troupe/runtime.Engine] on MLX.
//
// The way of a model, in reading order: folder.go reads config.json into a
// [Spec] (config.go, families.go, rope*.go) and the headers of the weights into
// an [Index] (safetensors.go, index.go), and checks one against the other
// (layout.go). So far nothing needs MLX. weights.go loads the tensors; pool.go
// allocates the KV blocks; batch.go checks the rows of a step and lays them
// out; decoder.go runs the spec with the operations of ops.go; reduce.go turns
// logits into results.
//
// # Threads and memory
//
// An [Engine] owns one [mlx.Thread]; everything on the device belongs to it and
// is freed by Close. The weights and the KV pool live in one graph for as long
// as the engine, the arrays of a step in a graph of their own.
//
// # Numbers
//
// On the CPU activations are float32 and 16-bit weights are widened once, when
// they are loaded: MLX's 16-bit matmul there is off by percents. Keys and values
// are stored in float16 everywhere. A row's logits do not depend on the other
// rows of the step, on its block ids or on how its prompt was cut: on the CPU
// this holds bit for bit.
package engine
