// The C face of MLX, as small as the decoder allows. Go's side of it is shim.go.
//
// Every function that can fail returns a status and never lets a C++ exception
// out. Arrays are named by the address of the cell that holds them; 0 is null.
#ifndef TROUPE_MLX_SHIM_H
#define TROUPE_MLX_SHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mlx_status {
  MLX_OK,
  MLX_FAILED, // mlx_last_error() says why
  MLX_THREAD, // the graph belongs to another thread
  MLX_NULL,   // an input that is required is null
};

typedef struct mlx_graph mlx_graph;

// The message of the last failure on this OS thread, valid until the next one.
const char* mlx_last_error(void);

// A number that no other OS thread of the process has or will have.
uint64_t mlx_thread_id(void);

// Prepares MLX on this thread. device is a Device of Go; *device becomes what
// was chosen.
int mlx_start(int32_t* device);
int mlx_stop(void);

void mlx_memory(uint64_t* active, uint64_t* peak, uint64_t* cache);
int mlx_set_cache_limit(size_t bytes);
int mlx_set_memory_limit(size_t bytes);
void mlx_reset_peak(void);
int mlx_clear_cache(void);

mlx_graph* mlx_graph_new(void);
int mlx_graph_free(mlx_graph* g);

// Builds op and stores n_out results, owned by g.
int mlx_apply(mlx_graph* g, int32_t op, const uintptr_t* in, size_t n_in,
              const int64_t* ints, size_t n_ints, const double* floats,
              size_t n_floats, uintptr_t* out, size_t n_out);

// Builds op, whose first input is a slot, and makes the result its new value.
int mlx_update(mlx_graph* g, int32_t op, const uintptr_t* in, size_t n_in,
               const int64_t* ints, size_t n_ints);

// Computes the arrays and the slots updated in g, and waits.
int mlx_eval(mlx_graph* g, const uintptr_t* in, size_t n_in);

// Moves the array of a cell into a new slot of g.
int mlx_slot_new(mlx_graph* g, uintptr_t from, uintptr_t* slot);

// Copies elements in and out; the caller has checked the lengths going in. With
// null data the elements are whatever the memory holds.
int mlx_from_bytes(mlx_graph* g, const void* data, size_t size, int32_t dtype,
                   const int64_t* shape, size_t n_shape, uintptr_t* out);
int mlx_read(mlx_graph* g, uintptr_t cell, int32_t dtype, void* dst,
             size_t size);

// Queries of a cell that is not null.
size_t mlx_ndim(uintptr_t cell);
void mlx_shape(uintptr_t cell, int64_t* shape);
int32_t mlx_dtype(uintptr_t cell);
bool mlx_available(uintptr_t cell);
uintptr_t mlx_data(uintptr_t cell); // the address of an evaluated array's data

const char* mlx_op_name(int32_t op);

// A machine runs programs; see program.h. It is used by one thread at a time.
typedef struct mlx_machine mlx_machine;
int mlx_machine_new(int32_t threads, const char* isa, mlx_machine** out);
void mlx_machine_free(mlx_machine* m);
const char* mlx_machine_isa(mlx_machine* m);
int64_t mlx_machine_busy(mlx_machine* m);                         // nanoseconds that programs have run
int mlx_machine_limits(mlx_machine* m, double* read, double* dots); // per second; see program.h

// Builds the primitive of a program. Each of the n_outputs entries of outputs is a number of elements.
int mlx_run(mlx_graph* g, mlx_machine* m, const uintptr_t* in, size_t n_in, const int64_t* words, size_t n_words,
            const int32_t* ints, size_t n_ints, const float* floats, size_t n_floats, const int64_t* outputs,
            size_t n_outputs, uintptr_t* out);

// The packed form of a weight. form and scale are those of kernels.h. scales and
// biases are null unless it is quantised.
int mlx_pack(mlx_graph* g, int32_t form, int32_t scale, int32_t n, int32_t k, int32_t group, const void* weights,
             const void* scales, const void* biases, uintptr_t* out);

// Makes room for so many weights, that will take so many bytes in all, side by side.
int mlx_reserve(mlx_graph* g, size_t bytes, size_t weights);

// The size of one KV head's part of a block of a cache.
void mlx_cache_bytes(int32_t bits, int32_t head_dim, int32_t block_tokens, size_t* keys, size_t* values);

#ifdef __cplusplus
}
#endif

#endif
