// Integer dot products of quantised weights and quantised activations, for the
// instruction set at hand. Included after linear.h.
//
// For each group of a weight, whose inputs come in parts of 32,
//
//	t = sum over parts of part_x * sum of q_w*q_x;  sum += bias_w*sum_x + scale_w*t
//
// and for each chunk of 256 inputs out += scale_x*sum, with the additions in this order, whatever else is computed at the time.

namespace troupe::TROUPE_ISA {

// How far ahead the weights are fetched, in bytes. The processor's own prefetcher
// does not keep up: with it alone eight rows take 1.4 times as long.
[[maybe_unused]] constexpr int AHEAD = 4096;

// The bytes of a panel that hold 32 inputs.
template <Form F>
constexpr int PART_BYTES = F == Form::Q4 ? 256 : 512;

// The integers of the rows of a tile, from a lane on, in a chunk and those after it. S is the tile's lanes: known when this is
// compiled, since the addresses cost as much as the products.
template <int S>
struct Codes {
  const int8_t* q;
  const float* parts;
  const int32_t* pairs;
  const float* scales;
  const float* sums; // of the weight's groups

  Codes(const Input& in, const Weight& w, int tile, int lane, int chunk = 0) {
    const size_t first = size_t(tile) * in.k + size_t(chunk) * CHUNK * S;
    q = in.q + first + lane * 4;
    parts = in.parts + first / QUANT + lane, pairs = in.pairs + first / QUANT + lane;
    scales = in.scales + size_t(tile) * chunks_of(in.k) + chunk * S + lane;
    const int level = w.group == QUANT ? 0 : w.group == 2 * QUANT ? 1 : 2; // spares a division for each chunk
    sums = in.sums[level] + (first / QUANT >> level) + lane;
  }

  void next_part() { q += QUANT * S, parts += S, pairs += S; }
  void next_group() { sums += S; }
  void next_chunk() { scales += S; }
};

// The groups of a chunk of a weight.
inline int groups_of(const Weight& w, int chunk) {
  const int most = CHUNK / w.group, left = w.k / w.group - chunk * most;
  return left < most ? left : most;
}

} // namespace troupe::TROUPE_ISA

#if defined(TROUPE_AVX2)
#include "dot_avx2.h"
#else

#if defined(TROUPE_AVX512)
#include "dot_avx512.h"
#else
#include "dot_portable.h"
#endif

namespace troupe::TROUPE_ISA {

// out[r] is the dot product of a panel with R rows of a tile.
template <Form F, int R, int S>
inline void dot_tile(const Weight& w, const uint8_t* data, Codes<S> x, V out[R]) {
  const size_t record = group_size(w);
  const int parts = w.group / QUANT;
  V acc[R]; // not out itself: the compiler would have to store it each time
  for (int r = 0; r < R; r++) acc[r] = zero();
  for (int chunk = 0; chunk < chunks_of(w.k); chunk++) {
    V sum[R];
    for (int r = 0; r < R; r++) sum[r] = zero();
    for (int g = 0; g < groups_of(w, chunk); g++, data += record) {
      const uint8_t* at = data + size_t(parts) * PART_BYTES<F>;
      const V scale = load_scale(w.scale, at), bias = load_scale(w.scale, at + PANEL * scale_size(w.scale));
      V t[R];
      for (int r = 0; r < R; r++) t[r] = zero();
      for (int part = 0; part < parts; part++) {
        I d[R];
        dot_part<F, R, S>(data + part * PART_BYTES<F>, x.q, d);
        for (int r = 0; r < R; r++) t[r] = fma(to_float(d[r]), set1(x.parts[r]), t[r]);
        x.next_part();
      }
      for (int r = 0; r < R; r++) sum[r] = fma(t[r], scale, fma(bias, set1(x.sums[r]), sum[r]));
      x.next_group();
    }
    for (int r = 0; r < R; r++) acc[r] = fma(sum[r], set1(x.scales[r]), acc[r]);
    x.next_chunk();
  }
  for (int r = 0; r < R; r++) out[r] = acc[r];
}

template <Form F, int S>
inline void quantised_tile(const Linear& l, int panel0, int panel1, int row, int rows) {
  const size_t panel = panel_size(l.w);
  rows_of_tile<S>(l, panel0, panel1, row, rows, [&]<int P, int R>(int p, int row, int lane, V out[P][R]) {
    for (int i = 0; i < P; i++) dot_tile<F, R, S>(l.w, l.w.data + (p + i) * panel, Codes<S>(*l.in, l.w, row, lane), out[i]);
  });
}

template <Form F>
void linear_quantised(const Linear& l, int panel0, int panel1, int row0, int row1) {
  tiles(l, panel0, panel1, row0, row1, [&](int p0, int p1, int row, int rows) {
    switch (lanes_of(rows)) {
      case 8: return quantised_tile<F, 8>(l, p0, p1, row, rows);
      case 4: return quantised_tile<F, 4>(l, p0, p1, row, rows);
      case 2: return quantised_tile<F, 2>(l, p0, p1, row, rows);
      default: return quantised_tile<F, 1>(l, p0, p1, row, rows);
    }
  });
}

} // namespace troupe::TROUPE_ISA

#endif
