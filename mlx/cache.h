// The blocks of the KV cache and how they are written. Included by the file of each
// instruction set, after arrange.h.
//
// A block holds block_tokens positions of every KV head. Of one head:
//
// Keys lie across, so that sixteen positions are sixteen lanes. T is block_tokens
// rounded up to 16.
//
//	16 bits  float16 [head_dim][T]
//	8 bits   codes [head_dim][T], float16 scales [groups][T], float16 biases [groups][T]
//	4 bits   codes [head_dim/2][T]: input 2i in the low half of a byte, 2i+1 in the high one; scales and biases likewise
//
// Values lie along, each position filled up to whole vectors.
//
//	16 bits  float16 [block_tokens][head_dim]
//	8 bits   codes [block_tokens][head_dim], float16 scales [groups][block_tokens], biases
//	4 bits   codes [block_tokens][head_dim/2]: of each 32 inputs, byte j holds j in its low half and 16+j in its high one
//
// x = scale*code + bias for each 64 inputs of a position, which is quantised by itself. Two
// positions share no byte, so that threads may write them at the same time.

namespace troupe::TROUPE_ISA {

constexpr int MAX_HEAD = 256; // the largest head_dim

inline uint8_t* key_block(const Cache& c, int block, int head) {
  return c.keys + (size_t(block) * c.kv_heads + head) * key_bytes(c);
}
inline uint8_t* value_block(const Cache& c, int block, int head) {
  return c.values + (size_t(block) * c.kv_heads + head) * value_bytes(c);
}

// A key or a value in the form of the cache, but its inputs one after the other.
struct Packed {
  uint16_t halves[MAX_HEAD];
  uint8_t codes[MAX_HEAD];
  uint16_t scales[MAX_HEAD / KV_GROUP], biases[MAX_HEAD / KV_GROUP];
};

inline float round_f16(float x, uint16_t* half) {
  uint16_t h[LANES];
  float f[LANES];
  store_f16(h, set1(x));
  store(f, load_f16(h));
  *half = h[0];
  return f[0];
}

// Quantises n inputs. One that is not finite makes scale and bias NaN, so that it is not lost.
inline void pack_group(const float* x, int n, int bits, uint8_t* codes, uint16_t* scale, uint16_t* bias) {
  V high = set1(x[0]), negative = set1(-x[0]), bad = zero();
  for (int i = 0; i < n; i += LANES) {
    V v = load_n(x + i, n - i);
    bad = fma(v, zero(), bad);
    v = select_n(v, set1(x[0]), n - i);
    high = max(high, v), negative = max(negative, sub(zero(), v));
  }
  const float poison = sum(bad), most_code = float((1 << bits) - 1);
  const float low = -most(negative);
  const float s = round_f16((most(high) - low) / most_code + poison, scale), b = round_f16(low + poison, bias);
  const V inverse = set1(s > 0 ? 1 / s : 0), from = set1(b);
  for (int i = 0; i < n; i += LANES) {
    V v = round(mul(sub(load_n(x + i, n - i), from), inverse));
    store_u8(codes + i, to_int(min(max(v, zero()), set1(most_code))));
  }
}

inline void pack(const Cache& c, const float* x, Packed* to) {
  if (c.bits == 16) {
    for (int i = 0; i < c.head_dim; i += LANES) store_f16(to->halves + i, load_n(x + i, c.head_dim - i));
    return;
  }
  for (int g = 0, i = 0; i < c.head_dim; g++, i += KV_GROUP) {
    const int n = c.head_dim - i < KV_GROUP ? c.head_dim - i : KV_GROUP;
    pack_group(x + i, n, c.bits, to->codes + i, to->scales + g, to->biases + g);
  }
}

inline void write_key(const Cache& c, int block, int slot, int head, const float* x) {
  Packed k;
  pack(c, x, &k);
  uint8_t* to = key_block(c, block, head);
  const size_t lanes = size_t(key_lanes(c));
  if (c.bits == 16) {
    for (int i = 0; i < c.head_dim; i++) ((uint16_t*)to)[i * lanes + slot] = k.halves[i];
    return;
  }
  if (c.bits == 8) {
    for (int i = 0; i < c.head_dim; i++) to[i * lanes + slot] = k.codes[i];
  } else {
    for (int i = 0; i < c.head_dim; i += 2) to[i / 2 * lanes + slot] = uint8_t(k.codes[i] | k.codes[i + 1] << 4);
  }
  const int groups = kv_groups(c);
  uint16_t* scales = (uint16_t*)(to + lanes * c.head_dim * c.bits / 8) + slot;
  for (int g = 0; g < groups; g++) scales[g * lanes] = k.scales[g], scales[(groups + g) * lanes] = k.biases[g];
}

inline void write_value(const Cache& c, int block, int slot, int head, const float* x) {
  Packed v = {};
  pack(c, x, &v);
  uint8_t* to = value_block(c, block, head);
  const size_t bytes = value_row(c);
  uint8_t* row = to + slot * bytes;
  if (c.bits == 16) {
    std::memcpy(row, v.halves, bytes);
    return;
  }
  if (c.bits == 8) {
    std::memcpy(row, v.codes, bytes);
  } else {
    for (size_t i = 0; i < bytes; i++) {
      const uint8_t* codes = v.codes + i / LANES * 2 * LANES + i % LANES;
      row[i] = uint8_t(codes[0] | codes[LANES] << 4);
    }
  }
  const int groups = kv_groups(c);
  uint16_t* scales = (uint16_t*)(to + c.block_tokens * bytes) + slot;
  for (int g = 0; g < groups; g++) {
    scales[size_t(g) * c.block_tokens] = v.scales[g], scales[size_t(groups + g) * c.block_tokens] = v.biases[g];
  }
}

// A query or a key of a row, after norm and rope.
inline void turn(const RopeWrite& w, int row, const float* x, const float* weight, float* dst) {
  const int dim = w.cache.head_dim;
  float normed[MAX_HEAD], other[MAX_HEAD];
  if (weight) {
    norm(x, weight, w.eps, normed, dim, 0, 1);
    x = normed;
  }
  if (!w.cos) {
    std::memcpy(dst, x, sizeof(float) * dim);
    return;
  }
  for (int i = 0; i < dim; i++) other[i] = x[w.partner[i]];
  const float *cos = w.cos + size_t(row) * dim, *sin = w.sin + size_t(row) * dim;
  for (int i = 0; i < dim; i += LANES) {
    const int n = dim - i;
    store_n(dst + i, fma(load_n(other + i, n), load_n(sin + i, n), mul(load_n(x + i, n), load_n(cos + i, n))), n);
  }
}

void rope_write(const RopeWrite& w, int row0, int row1) {
  const Cache& c = w.cache;
  const size_t dim = size_t(c.head_dim);
  for (int row = row0; row < row1; row++) {
    const float* q = w.qkv + row * (w.heads + 2 * size_t(c.kv_heads)) * dim;
    const float *k = q + w.heads * dim, *v = k + c.kv_heads * dim;
    for (int h = 0; h < w.heads; h++) turn(w, row, q + h * dim, w.q_norm, w.q + (size_t(row) * w.heads + h) * dim);
    for (int h = 0; h < c.kv_heads; h++) {
      float turned[MAX_HEAD];
      turn(w, row, k + h * dim, w.k_norm, turned);
      write_key(c, w.block[row], w.slot[row], h, turned);
      write_value(c, w.block[row], w.slot[row], h, v + h * dim);
    }
  }
}

} // namespace troupe::TROUPE_ISA
