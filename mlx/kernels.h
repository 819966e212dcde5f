// The kernels of the CPU, as the program runs them: one table of functions for each
// instruction set. Every function computes the part of an operation that it is
// given; the parts are independent, so any cut gives the same bits.
//
// Pointers are to row-major data; "rows" are tokens. All floats are float32 unless
// the name says otherwise.
#ifndef TROUPE_MLX_KERNELS_H
#define TROUPE_MLX_KERNELS_H

#include <cstddef>
#include <cstdint>

namespace troupe {

// How the weights of a linear layer are stored, in panels of PANEL outputs; see
// linear.h for the layout. The values are those of Go's weight kinds.
constexpr int PANEL = 16;
enum class Form : int32_t { F32, F16, BF16, Q4, Q8 };
enum class Scale : int32_t { F32, F16, BF16 }; // of quantised weights

struct Weight {
  const uint8_t* data;
  Form form;
  Scale scale;
  int n, k;  // outputs, inputs
  int group; // inputs per scale; 32, 64 or 128
};

// Activations, arranged for linear: tiles of up to TILE rows, and in a tile the
// rows of each input (of each four inputs, when quantised) side by side, on a
// number of lanes that is a power of two. Lanes without a row are never read.
//
// Quantised ones are x = scale*part*q, with a scale for a chunk of inputs and a whole number for
// a part of them, so that products within a chunk can be added up as integers.
constexpr int TILE = 8;
constexpr int QUANT = 32;       // inputs of a part
constexpr int CHUNK = 256;      // inputs of a chunk; the last one can have fewer
constexpr int MOST_PART = 8191; // 128 products of 15*127 times this fit 32 bits
struct Input {
  int rows, k;
  float* x;       // [tile][k][lanes], or null
  int8_t* q;      // [tile][k/4][lanes][4], or null
  float* parts;   // [tile][k/32][lanes], from 1 to MOST_PART
  int32_t* pairs; // the same, once in the low and once in the high half
  float* scales;  // [tile][chunks_of(k)][lanes]
  float* sums[3]; // of part*q of groups of 32, 64 and 128 inputs: [tile][k/group][lanes]; nothing if those do not divide k
};
static inline int chunks_of(int k) { return (k + CHUNK - 1) / CHUNK; }

// The lanes of a tile with so many rows, and those of all tiles of so many rows.
static inline int lanes_of(int rows) { return rows > 4 ? TILE : rows > 2 ? 4 : rows; }
static inline int all_lanes(int rows) { return rows / TILE * TILE + lanes_of(rows % TILE); }

enum class Source : int32_t { Plain, Normed, Gated };
enum class Gate : int32_t { SiLU, GeluTanh };
struct Arrange {
  Input out;
  Source source;
  Gate gate;           // Gated: x is [rows, 2k], the result is gate(x[:k]) * x[k:]
  const float* x;      // [rows, k]
  const float* weight; // Normed: [k] or null
  float eps;
};

// One linear layer of a job: dst[row, offset:offset+n] = input @ w^T + bias, or += that.
struct Linear {
  Weight w;
  const Input* in;
  const float* bias; // [n] or null
  float* dst;
  int stride;
  bool add;
};

// The KV cache of one layer: blocks of block_tokens positions for each KV head. See cache.h
// for the contents of a block.
struct Cache {
  uint8_t* keys; // [blocks][kv_heads][key_bytes(*this)]
  uint8_t* values;
  int bits; // 16, 8 or 4
  int kv_heads, head_dim, block_tokens;
};

// Inputs of a quantised key or value that share a scale.
constexpr int KV_GROUP = 64;

// The size of one KV head's part of a block. Static, because inline functions that all
// instruction sets share might come from the wrong one.
static inline size_t round_up(size_t n, size_t unit) { return (n + unit - 1) / unit * unit; }
static inline int kv_groups(const Cache& c) { return (c.head_dim + KV_GROUP - 1) / KV_GROUP; }
static inline int key_lanes(const Cache& c) { return int(round_up(size_t(c.block_tokens), 16)); } // of a block
static inline size_t key_bytes(const Cache& c) {
  const size_t lanes = size_t(key_lanes(c));
  return lanes * c.head_dim * c.bits / 8 + (c.bits == 16 ? 0 : lanes * kv_groups(c) * 4);
}
static inline size_t value_row(const Cache& c) { // bytes of a position, without its scales
  return round_up(size_t(c.head_dim), c.bits == 4 ? 32 : 16) * c.bits / 8;
}
static inline size_t value_bytes(const Cache& c) {
  return c.block_tokens * (value_row(c) + (c.bits == 16 ? 0 : size_t(kv_groups(c)) * 4));
}

// Rotates queries and keys, after their norm, and writes keys and values to the cache.
struct RopeWrite {
  int rows, heads;
  const float* qkv; // [rows][heads + 2*kv_heads][head_dim]
  const float *q_norm, *k_norm; // [head_dim] or null
  float eps;
  const float *cos, *sin;    // [rows][head_dim], signs and multiplier folded in; null for no rope
  const int32_t* partner;    // [head_dim]: x'[i] = x[i]*cos[i] + x[partner[i]]*sin[i]
  const int32_t *block, *slot; // [rows]: where a row's KV goes
  Cache cache;
  float* q; // out: [rows][heads][head_dim]
};

// One agent's rows of a step: queries at positions [start, start+length).
struct Span {
  int32_t first;  // row of its first query
  int32_t length;
  int32_t start;
  int32_t blocks; // where its block table begins in Attend.tables
};

// Causal attention of rows over their own blocks.
struct Attend {
  int spans;
  const Span* span;
  const int32_t* tables; // block ids
  int heads;
  float scale;
  int window;         // a query sees itself and window-1 positions before it; 0: all
  float softcap;      // 0: none; else scores become softcap*tanh(score/softcap)
  const float* sinks; // [heads] or null: logits that take part in the softmax only
  Cache cache;
  const float* q; // [rows][heads][head_dim]
  float* out;     // the same
};

// What sampling needs of rows of logits.
constexpr int MOST_CANDIDATES = 1024;
struct Reduce {
  int rows, vocab;
  const float* logits;
  const int32_t* wants; // [rows]: how many candidates, at most k; none if it is not positive
  int k;                // at most MOST_CANDIDATES
  float* values;        // [rows][k], falling; equal ones by rising id. As many are written as are wanted
  int32_t* ids;         // [rows][k]                                    and as there are.
  float* logsumexp;     // [rows]; if it is not finite, because a logit is not, no candidates are written
};

struct Kernels {
  const char* name;
  void (*arrange)(const Arrange&, int row0, int row1);
  void (*linear)(const Linear&, int panel0, int panel1, int row0, int row1); // row0 is a multiple of TILE
  void (*lookup)(const Weight&, const int32_t* tokens, float* dst, int row0, int row1);
  void (*rope_write)(const RopeWrite&, int row0, int row1);

  // Attention takes attend_scratch floats, which attend_parts prepares; then all parts of
  // attend, in any order, and when they are done all parts of merge.
  size_t (*attend_scratch)(const Attend&);
  int (*attend_parts)(const Attend&, float* scratch);
  void (*attend)(const Attend&, float* scratch, int part);
  int (*merge_parts)(const Attend&);
  void (*merge)(const Attend&, const float* scratch, int part);

  // Likewise: all parts of reduce, then all rows of rank.
  size_t (*reduce_scratch)(const Reduce&);
  int (*reduce_parts)(const Reduce&);
  void (*reduce)(const Reduce&, float* scratch, int part);
  void (*rank)(const Reduce&, float* scratch, int row);

  // What kernels are measured against; see probe.h.
  int32_t (*probe_read)(const uint8_t*, size_t n);
  int64_t (*probe_dots)(int times, int32_t* result);
};

namespace avx512 { extern const Kernels kernels; }
namespace avx2 { extern const Kernels kernels; }
namespace portable { extern const Kernels kernels; }

// The kernels for an instruction set by name, or the best that this machine has for
// "" or "auto". Throws std::invalid_argument if there is no such set or the machine lacks it.
const Kernels& choose(const char* name);

// The same for a machine that has these.
const Kernels& choose(const char* name, bool with_avx512, bool with_avx2);

} // namespace troupe

#endif
