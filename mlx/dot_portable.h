// Dot products in plain C++; see dot.h.

namespace troupe::TROUPE_ISA {

// out[r] is the dot product of a panel with R rows of a tile.
template <Form F, int R, int S>
inline void dot_tile(const Weight& w, const uint8_t* data, Codes<S> x, V out[R]) {
  const size_t record = group_size(w);
  const int parts = w.group / QUANT;
  constexpr int bytes = PART_BYTES<F>, fours = QUANT / 4;
  for (int r = 0; r < R; r++) out[r] = zero();
  for (int chunk = 0; chunk < chunks_of(w.k); chunk++) {
    V sum[R];
    for (int r = 0; r < R; r++) sum[r] = zero();
    for (int g = 0; g < groups_of(w, chunk); g++, data += record) {
      const uint8_t* at = data + size_t(parts) * bytes;
      const V scale = load_scale(w.scale, at), bias = load_scale(w.scale, at + PANEL * scale_size(w.scale));
      V t[R];
      for (int r = 0; r < R; r++) t[r] = zero();
      for (int part = 0; part < parts; part++) {
        const uint8_t* block = data + part * bytes;
        I d[R] = {};
        for (int c = 0; c < fours; c++) {
          const uint8_t* from = F == Form::Q4 ? block + c / 2 * 64 : block + c * 64;
          int shift = F == Form::Q4 ? c % 2 * 4 : 0, mask = F == Form::Q4 ? 15 : 255;
          for (int r = 0; r < R; r++) {
            const int8_t* q = x.q + (c * S + r) * 4;
            for (int i = 0; i < LANES; i++) {
              for (int j = 0; j < 4; j++) d[r].v[i] += (from[i * 4 + j] >> shift & mask) * q[j];
            }
          }
        }
        for (int r = 0; r < R; r++) t[r] = fma(to_float(d[r]), set1(x.parts[r]), t[r]);
        x.next_part();
      }
      for (int r = 0; r < R; r++) sum[r] = fma(t[r], scale, fma(bias, set1(x.sums[r]), sum[r]));
      x.next_group();
    }
    for (int r = 0; r < R; r++) out[r] = fma(sum[r], set1(x.scales[r]), out[r]);
    x.next_chunk();
  }
}

} // namespace troupe::TROUPE_ISA
