// Dot products in plain C++; see dot.h.

namespace troupe::TROUPE_ISA {

// d[r] = the products of a part of a panel with R rows, whose fours begin at q.
template <Form F, int R, int S>
inline void dot_part(const uint8_t* data, const int8_t* q, I d[R]) {
  for (int r = 0; r < R; r++) d[r] = {};
  for (int c = 0; c < QUANT / 4; c++) {
    const uint8_t* from = F == Form::Q4 ? data + c / 2 * 64 : data + c * 64;
    int shift = F == Form::Q4 ? c % 2 * 4 : 0, mask = F == Form::Q4 ? 15 : 255;
    for (int r = 0; r < R; r++) {
      const int8_t* x = q + (c * S + r) * 4;
      for (int i = 0; i < LANES; i++) {
        for (int j = 0; j < 4; j++) d[r].v[i] += (from[i * 4 + j] >> shift & mask) * x[j];
      }
    }
  }
}

} // namespace troupe::TROUPE_ISA
