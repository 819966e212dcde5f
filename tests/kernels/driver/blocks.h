// Blocks of the KV cache, written and read by the letter of mlx/cache.h.
#ifndef TROUPE_TESTS_BLOCKS_H
#define TROUPE_TESTS_BLOCKS_H

#include "check.h"

namespace check {

// The memory of some blocks. It begins as NaNs, as does whatever nobody wrote.
class Blocks {
 public:
  Blocks(int blocks, int bits, int kv_heads, int head_dim, int block_tokens)
      : cache_{nullptr, nullptr, bits, kv_heads, head_dim, block_tokens}, keys_(size_t(blocks) * kv_heads * key_bytes(cache_)),
        values_(size_t(blocks) * kv_heads * value_bytes(cache_)) {
    cache_.keys = keys_.data(), cache_.values = values_.data();
  }

  const Cache& cache() const { return cache_; }
  const Buffer<uint8_t>& keys() const { return keys_; }
  const Buffer<uint8_t>& values() const { return values_; }

  struct Place { int block, head, slot; };

  double key(Place p, int i) { return number(key_at(p, i)); }
  double value(Place p, int i) { return number(value_at(p, i)); }
  double key_scale(Place p, int i) { return half(*key_at(p, i).scale); }
  double value_scale(Place p, int i) { return half(*value_at(p, i).scale); }

  // Fills in a position at random.
  void fill(Place p, Random& random) {
    for (int i = 0; i < cache_.head_dim; i++) set(key_at(p, i), i, random), set(value_at(p, i), i, random);
  }

 private:
  // Where a number is: 16 bits, or a code in bits of a byte.
  struct At {
    uint8_t* code;
    int shift;
    uint16_t *half, *scale, *bias;
  };

  At key_at(Place p, int i) {
    uint8_t* block = cache_.keys + (size_t(p.block) * cache_.kv_heads + p.head) * key_bytes(cache_);
    const size_t lanes = (size_t(cache_.block_tokens) + 15) / 16 * 16;
    At at = {};
    if (cache_.bits == 16) at.half = reinterpret_cast<uint16_t*>(block) + i * lanes + p.slot;
    if (cache_.bits == 8) at.code = block + i * lanes + p.slot;
    if (cache_.bits == 4) at.code = block + i / 2 * lanes + p.slot, at.shift = i % 2 * 4;
    scales(block + lanes * cache_.head_dim * cache_.bits / 8, lanes, p.slot, i, &at);
    return at;
  }

  At value_at(Place p, int i) {
    uint8_t* block = cache_.values + (size_t(p.block) * cache_.kv_heads + p.head) * value_bytes(cache_);
    const int unit = cache_.bits == 4 ? 32 : 16, row = (cache_.head_dim + unit - 1) / unit * unit * cache_.bits / 8;
    uint8_t* from = block + p.slot * row;
    At at = {};
    if (cache_.bits == 16) at.half = reinterpret_cast<uint16_t*>(from) + i;
    if (cache_.bits == 8) at.code = from + i;
    if (cache_.bits == 4) at.code = from + i / 32 * 16 + i % 16, at.shift = i % 32 / 16 * 4;
    scales(block + cache_.block_tokens * row, size_t(cache_.block_tokens), p.slot, i, &at);
    return at;
  }

  void scales(uint8_t* from, size_t lanes, int slot, int i, At* at) {
    if (cache_.bits == 16) return;
    const int groups = (cache_.head_dim + 63) / 64;
    at->scale = reinterpret_cast<uint16_t*>(from) + i / 64 * lanes + slot;
    at->bias = at->scale + groups * lanes;
  }

  double number(At at) const {
    if (at.half) return half(*at.half);
    const int code = *at.code >> at.shift & ((1 << cache_.bits) - 1);
    return half(*at.scale) * code + half(*at.bias);
  }

  void set(At at, int i, Random& random) {
    if (at.half) {
      *at.half = random_half(random, -4, 1);
      return;
    }
    if (i % 64 == 0) {
      *at.scale = cache_.bits == 8 ? random_half(random, -8, -6) : random_half(random, -5, -2);
      *at.bias = random_half(random, -3, 1);
    }
    const int mask = (1 << cache_.bits) - 1;
    *at.code = uint8_t((*at.code & ~(mask << at.shift)) | random.in(0, mask) << at.shift);
  }

  Cache cache_;
  Buffer<uint8_t> keys_, values_;
};

} // namespace check

#endif
