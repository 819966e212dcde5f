// What comes before a linear layer: norm or gate, and the arrangement of the rows
// for its kernels. Included by the file of each instruction set, after vec.h.

namespace troupe::TROUPE_ISA {

// 1 / root mean square of a row.
inline float inverse_rms(const float* x, int k, float eps) {
  V squares = zero();
  for (int i = 0; i < k; i += LANES) {
    V v = load_n(x + i, k - i);
    squares = fma(v, v, squares);
  }
  return 1 / std::sqrt(sum(squares) / float(k) + eps);
}

inline void norm(const float* x, const float* weight, float eps, float* dst, int k, int row0, int row1) {
  for (int row = row0; row < row1; row++) {
    const float* from = x + size_t(row) * k;
    float* to = dst + size_t(row) * k;
    V r = set1(inverse_rms(from, k, eps));
    for (int i = 0; i < k; i += LANES) {
      V v = mul(load_n(from + i, k - i), r);
      if (weight) v = mul(v, load_n(weight + i, k - i));
      store_n(to + i, v, k - i);
    }
  }
}

inline V silu(V x) { return div(x, add(set1(1), exp(sub(zero(), x)))); }

// x * sigmoid(2u), which is x/2 * (1 + tanh(u)).
inline V gelu_tanh(V x) {
  V u = mul(mul(x, set1(0.7978845608f)), fma(mul(x, x), set1(0.044715f), set1(1)));
  return div(x, add(set1(1), exp(mul(u, set1(-2)))));
}

// The values of a row that the linear layer sees, sixteen at a time.
struct Row {
  const Arrange& a;
  const float* x;
  V scale; // Normed

  Row(const Arrange& a, int row)
      : a(a), x(a.x + size_t(row) * a.out.k * (a.source == Source::Gated ? 2 : 1)),
        scale(a.source == Source::Normed ? set1(inverse_rms(x, a.out.k, a.eps)) : zero()) {}

  V at(int i, int n) const {
    V v = load_n(x + i, n);
    switch (a.source) {
      case Source::Plain: return v;
      case Source::Normed:
        v = mul(v, scale);
        return a.weight ? mul(v, load_n(a.weight + i, n)) : v;
      case Source::Gated: {
        V u = load_n(x + a.out.k + i, n);
        return mul(a.gate == Gate::SiLU ? silu(v) : gelu_tanh(v), u);
      }
    }
    return v;
  }
};

// Quantises 32 values to 8 bits; values that are too small for 127/m to be a number are 0. One
// that is not a number makes the scale one that is not, so that it is not lost.
inline void quantise(V a, V b, int8_t q[QUANT], float* scale, float* sum_) {
  float m = most(max(abs(a), abs(b)));
  V inverse = set1(m > 1e-36f ? 127 / m : 0);
  V x = round(mul(a, inverse)), y = round(mul(b, inverse));
  store_i8(q, to_int(x)), store_i8(q + LANES, to_int(y));
  float s = m / 127 + sum(fma(a, zero(), mul(b, zero())));
  *scale = s;
  *sum_ = s * sum(add(x, y));
}

void arrange(const Arrange& a, int row0, int row1) {
  const Input& in = a.out;
  for (int row = row0; row < row1; row++) {
    const int tile = row / TILE * TILE, lane = row % TILE, width = lanes_of(in.rows - tile);
    const Row source(a, row);
    if (in.x) {
      float* to = in.x + size_t(tile) * in.k + lane;
      for (int i = 0; i < in.k; i += LANES) {
        const int n = in.k - i < LANES ? in.k - i : LANES;
        float v[LANES];
        store(v, source.at(i, n));
        for (int j = 0; j < n; j++) to[size_t(i + j) * width] = v[j];
      }
    }
    if (in.q) {
      int8_t* to = in.q + size_t(tile) * in.k + lane * 4;
      const size_t first = size_t(tile) * (in.k / QUANT) + lane;
      for (int i = 0; i < in.k; i += QUANT) {
        int8_t q[QUANT];
        const size_t at = first + size_t(i / QUANT) * width;
        quantise(source.at(i, LANES), source.at(i + LANES, LANES), q, in.scales + at, in.sums + at);
        for (int j = 0; j < QUANT; j += 4) std::memcpy(to + size_t(i + j) * width, q + j, 4);
      }
    }
  }
}

} // namespace troupe::TROUPE_ISA
