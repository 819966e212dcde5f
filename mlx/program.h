// A program is a list of kernel calls that runs as one MLX primitive. An operation
// of MLX costs 1.6 to 5 µs beside its arithmetic, more than many a kernel of a small
// model takes; a call in a program costs some nanoseconds.
#ifndef TROUPE_MLX_PROGRAM_H
#define TROUPE_MLX_PROGRAM_H

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "kernels.h"
#include "pool.h"

namespace troupe {

// What programs run on: threads, an instruction set, and memory for what lives
// between two kernels, which grows to what the largest program needs.
struct Machine {
  Machine(int threads, const char* isa) : kernels(choose(isa)), pool(threads) {}

  const Kernels& kernels;
  Pool pool;
  std::unique_ptr<char[]> memory;
  size_t size = 0;
  std::atomic<int64_t> busy{0}; // nanoseconds that programs have run
};

// The limits of a machine: bytes read from memory per second, and operations on bytes per second
// (a multiplication and its addition are two). Takes about a second and 256 MiB.
struct Limits {
  double read, dots;
};
Limits measure(Machine& m);

// The calls, as Go's program.go writes them.
struct Code {
  std::vector<int64_t> words;  // registers, inputs, weights, then the calls
  std::vector<int32_t> ints;   // what calls refer to by offset: tokens, block tables, …
  std::vector<float> floats;   // the same: rotations
  std::vector<int64_t> outputs; // elements of each output; outputs are the first registers
};

// Runs a program. Its arrays are row-contiguous, and caches among them are written in
// place; outputs has as many pointers as the code has outputs.
void execute(Machine& machine, const Code& code, const std::vector<void*>& arrays, const std::vector<float*>& outputs);

// How the packed form of a weight is made; see linear.h. weights, scales and biases are as
// MLX and safetensors have them: [n, k], or words of packed integers [n, k*bits/32].
size_t packed_size(const Weight& w);
void pack(const Weight& w, const void* weights, const void* scales, const void* biases, uint8_t* dst);

} // namespace troupe

#endif
