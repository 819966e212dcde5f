// Attention over paged blocks. Included by the file of each instruction set, after cache.h.
//
// The context is cut into partitions at absolute positions. A query's weights in a partition
// are relative to its largest score there, and the partitions it sees are joined one after
// the other, in their order. Nothing else decides on a bit of the result: queries are the
// independent rows of a tile, and a key that a query does not see takes no part in a sum, so
// neither do positions that nobody has written yet.

namespace troupe::TROUPE_ISA {

constexpr int PARTITION = 256;

// Queries of a tile: tokens times the heads that share a KV head. The accumulators
// of a loop fit the registers.
#if defined(TROUPE_AVX512)
constexpr int QUERIES = 16, ACCUMULATORS = 16;
#else
constexpr int QUERIES = 6, ACCUMULATORS = 6;
#endif

// A long context is shared out by partitions as long as there are few tiles, since
// each partition of a tile leaves its result in the scratch.
constexpr int FEW_TILES = 32;

// The result of a query over some partitions: the sum of weighted values, the
// sum of weights in a vector of its own, and the score they are relative to.
constexpr int RESULT = MAX_HEAD + 2 * LANES;
inline size_t result_size(const Attend& a) { return round_up(size_t(a.cache.head_dim), LANES) + 2 * LANES; }

inline float exp1(float x) {
  float e[LANES];
  store(e, exp(set1(x)));
  return e[0];
}

inline void start_result(float* sum, size_t size) {
  for (size_t i = 0; i < size - LANES; i += LANES) store(sum + i, zero());
  store(sum + size - LANES, set1(-INFINITY));
}

// Adds a partition to a result.
inline void join(float* sum, const float* part, size_t size) {
  const size_t at = size - LANES;
  const float top = sum[at] > part[at] ? sum[at] : part[at];
  const V keep = set1(exp1(sum[at] - top)), take = set1(exp1(part[at] - top));
  for (size_t i = 0; i < at; i += LANES) store(sum + i, fma(load(sum + i), keep, mul(load(part + i), take)));
  store(sum + at, set1(top));
}

// Writes a query's output. Zero is added so that it does not show its sign.
inline void finish_result(const Attend& a, int head, const float* sum, size_t size, float* out) {
  const float most_ = sum[size - LANES];
  V total = load(sum + size - 2 * LANES), keep = set1(1);
  if (a.sinks) {
    const float top = most_ > a.sinks[head] ? most_ : a.sinks[head];
    keep = set1(exp1(most_ - top));
    total = fma(total, keep, set1(exp1(a.sinks[head] - top)));
  }
  float lanes[LANES];
  store(lanes, div(keep, total));
  const V inverse = set1(lanes[0]);
  const int dim = a.cache.head_dim;
  for (int i = 0; i < dim; i += LANES) store_n(out + i, fma(load(sum + i), inverse, zero()), dim - i);
}

// softcap * tanh(x/softcap)
inline V cap(V x, float softcap) {
  V e = exp(mul(x, set1(2 / softcap)));
  return fma(div(set1(-2 * softcap), add(e, set1(1))), set1(1), set1(softcap));
}

template <int BITS, int LANE16>
inline V load_value(const uint8_t* row, int vector) {
  if constexpr (BITS == 16) return load_f16((const uint16_t*)row + vector * LANES);
  if constexpr (BITS == 8) return to_float(load_u8(row + vector * LANES));
  if constexpr (BITS == 4) {
    I raw = load_u8(row + vector / 2 * LANES);
    return to_float(LANE16 % 2 ? shr(raw, 4) : and_(raw, 15));
  }
}

// Some queries of one KV head, up to R, walking over partitions.
template <int BITS, int R>
class Tile {
 public:
  // Queries [first, first+n) of the span: query i is head i % shared of token i / shared.
  Tile(const Attend& a, const Span& span, int head, int first, int n)
      : a_(a), c_(a.cache), span_(span), head_(head), first_(first), n_(n), shared_(a.heads / a.cache.kv_heads),
        size_(result_size(a)), row_(value_row(a.cache)) {
    const V scale = set1(a.scale);
    std::memset(q_, 0, sizeof(float) * R * c_.head_dim);
    if (n < R || c_.block_tokens % LANES != 0) std::memset(p_, 0, sizeof p_), std::memset(w_, 0, sizeof w_);
    for (int r = 0; r < n; r++) {
      const int position = span.start + (first + r) / shared_;
      from_[r] = a.window > 0 && position >= a.window ? position - a.window + 1 : 0;
      to_[r] = position + 1;
      const float* q = a.q + offset(r);
      for (int i = 0; i < c_.head_dim; i += LANES) {
        float x[LANES];
        const int lanes = c_.head_dim - i < LANES ? c_.head_dim - i : LANES;
        store(x, mul(load_n(q + i, lanes), scale));
        for (int j = 0; j < lanes; j++) q_[(i + j) * R + r] = x[j];
      }
    }
    if constexpr (BITS != 16) {
      for (int g = 0; g < kv_groups(c_); g++) {
        for (int r = 0; r < R; r++) {
          float s = 0;
          for (int i = g * KV_GROUP; i < c_.head_dim && i < (g + 1) * KV_GROUP; i++) s += q_[i * R + r];
          sums_[g * R + r] = s;
        }
      }
    }
  }

  int first_partition() const { return from_[0] / PARTITION; }
  int last_partition() const { return (to_[n_ - 1] - 1) / PARTITION; }

  // Attends to one partition. The results are in result(r) of each query that sees some of it.
  void partition(int index) {
    base_ = index * PARTITION;
    const int from = from_[0] > base_ ? from_[0] : base_;
    const int to = to_[n_ - 1] < base_ + PARTITION ? to_[n_ - 1] : base_ + PARTITION;
    if (from >= to) return;
    locate(from, to);
    score(from, to);
    for (int r = 0; r < n_; r++)
      if (sees(r)) weigh(r);
    for (int group = 0; group < (BITS == 16 ? 1 : kv_groups(c_)); group++) {
      if constexpr (BITS != 16) scale(group, from, to);
      collect(group);
    }
  }

  bool sees(int r) const { return low(r) < high(r); }
  const float* result(int r) const { return o_[r]; }

  // All partitions, to the output.
  void run() {
    for (int r = 0; r < n_; r++) start_result(sum_[r], size_);
    for (int i = first_partition(); i <= last_partition(); i++) {
      partition(i);
      for (int r = 0; r < n_; r++)
        if (sees(r)) join(sum_[r], o_[r], size_);
    }
    for (int r = 0; r < n_; r++) finish_result(a_, head(r), sum_[r], size_, a_.out + offset(r));
  }

 private:
  static constexpr int STRIDE = PARTITION + LANES; // of p_: not a power of two

  int head(int r) const { return head_ * shared_ + (first_ + r) % shared_; }
  size_t offset(int r) const { // in a.q and a.out
    return (size_t(span_.first + (first_ + r) / shared_) * a_.heads + head(r)) * c_.head_dim;
  }

  // What query r sees of the partition, counted from its start.
  int low(int r) const { return from_[r] > base_ ? from_[r] - base_ : 0; }
  int high(int r) const { return to_[r] < base_ + PARTITION ? to_[r] - base_ : PARTITION; }

  // Finds the blocks of the partition, and one more to fetch ahead.
  void locate(int from, int to) {
    const int32_t* table = a_.tables + span_.blocks;
    const int last = (span_.start + span_.length - 1) / c_.block_tokens;
    first_block_ = from / c_.block_tokens;
    const int end = (to - 1) / c_.block_tokens + 1;
    for (int i = first_block_; i <= end; i++) {
      const int block = table[i < last ? i : last];
      keys_[i - first_block_] = key_block(c_, block, head_);
      values_[i - first_block_] = value_block(c_, block, head_);
    }
    const int blocks = end - first_block_;
    const uint8_t* next = keys_[blocks];
    keys_[blocks] = values_[0]; // after the keys come the values,
    values_[blocks] = next;     // after them the keys of the next partition
  }

  // Calls f(block of the partition, slot, end of slots, place of slot in the partition).
  template <typename F>
  void walk(int from, int to, F&& f) const {
    while (from < to) {
      const int block = from / c_.block_tokens, slot = from - block * c_.block_tokens;
      const int end = c_.block_tokens - slot < to - from ? c_.block_tokens : slot + to - from;
      f(block - first_block_, slot, end, from - base_);
      from += end - slot;
    }
  }

  void score(int from, int to) {
    constexpr int N = 2 * R <= ACCUMULATORS ? 2 : 1;
    const int lanes = key_lanes(c_);
    walk(from, to, [&](int block, int slot, int end, int place) {
      int at = slot / LANES * LANES;
      for (; N > 1 && at + LANES < end; at += N * LANES) dots<N>(block, lanes, at, slot, end, place);
      for (; at < end; at += LANES) dots<1>(block, lanes, at, slot, end, place);
    });
  }

  // What it fetches ahead is evenly spread, as are the values': the memory keeps pace with a flow, not with
  // bursts.
  template <int N>
  void dots(int block, int lanes, int at, int slot, int end, int place) {
    V s[R][N];
    const uint8_t* keys = keys_[block];
    const uint8_t* ahead = keys_[block + 1] + size_t(at) * c_.head_dim * BITS / 8;
    for (int r = 0; r < R; r++)
      for (int n = 0; n < N; n++) s[r][n] = zero();
    if constexpr (BITS == 16) {
      const uint16_t* k = (const uint16_t*)keys + at;
      for (int i = 0; i < c_.head_dim; i++, k += lanes, ahead += 2 * N * LANES) {
        V x[N];
        for (int n = 0; n < N; n++) x[n] = load_f16(k + n * LANES);
        prefetch(ahead);
        dot<N>(x, q_ + i * R, s);
      }
    } else {
      const int groups = kv_groups(c_);
      const uint16_t* scales = (const uint16_t*)(keys + size_t(lanes) * c_.head_dim * BITS / 8) + at;
      const uint8_t* k = keys + at;
      for (int g = 0; g < groups; g++) {
        V t[R][N];
        for (int r = 0; r < R; r++)
          for (int n = 0; n < N; n++) t[r][n] = zero();
        const int stop = c_.head_dim < (g + 1) * KV_GROUP ? c_.head_dim : (g + 1) * KV_GROUP;
        for (int i = g * KV_GROUP; i < stop; i += 8 / BITS, k += lanes, ahead += N * LANES) {
          I raw[N];
          V x[N];
          for (int n = 0; n < N; n++) raw[n] = load_u8(k + n * LANES);
          prefetch(ahead);
          for (int n = 0; n < N; n++) x[n] = to_float(BITS == 8 ? raw[n] : and_(raw[n], 15));
          dot<N>(x, q_ + i * R, t);
          if constexpr (BITS == 4) {
            for (int n = 0; n < N; n++) x[n] = to_float(shr(raw[n], 4));
            dot<N>(x, q_ + (i + 1) * R, t);
          }
        }
        for (int n = 0; n < N; n++) {
          const V scale = load_f16(scales + g * lanes + n * LANES), bias = load_f16(scales + (groups + g) * lanes + n * LANES);
          for (int r = 0; r < R; r++) s[r][n] = fma(t[r][n], scale, fma(bias, set1(sums_[g * R + r]), s[r][n]));
        }
      }
    }
    for (int n = 0; n < N; n++) {
      const int from = at + n * LANES < slot ? slot : at + n * LANES;
      if (c_.block_tokens % LANES == 0) { // then whole vectors fit; what nobody sees is masked later
        for (int r = 0; r < R; r++) store(p_[r] + place + at + n * LANES - slot, s[r][n]);
        continue;
      }
      const int stop = at + (n + 1) * LANES < end ? at + (n + 1) * LANES : end;
      for (int r = 0; r < R && from < stop; r++) {
        float x[LANES];
        store(x, s[r][n]);
        std::memcpy(p_[r] + place + from - slot, x + from - at - n * LANES, sizeof(float) * (stop - from));
      }
    }
  }

  template <int N>
  static void dot(const V x[N], const float* q, V s[R][N]) {
    for (int r = 0; r < R; r++) {
      const V y = set1(q[r]);
      for (int n = 0; n < N; n++) s[r][n] = fma(x[n], y, s[r][n]);
    }
  }

  // v where query sees its lane, else other; the vector starts at place i.
  static V seen(V v, V other, int i, int low, int high) {
    if (i + LANES > high) v = select_n(v, other, high - i);
    return i < low ? select_n(other, v, low - i) : v;
  }

  // Turns the scores of a query into weights. A score that is not finite makes their sum
  // NaN, so that it is not lost.
  void weigh(int r) {
    const int low = this->low(r), high = this->high(r);
    float* p = p_[r];
    V top = set1(-INFINITY), bad = zero();
    for (int i = low / LANES * LANES; i < high; i += LANES) {
      V s = seen(load(p + i), zero(), i, low, high);
      bad = fma(s, zero(), bad);
      if (a_.softcap > 0) s = cap(s, a_.softcap);
      s = seen(s, set1(-INFINITY), i, low, high);
      store(p + i, s);
      top = max(top, s);
    }
    const float highest = most(top);
    const V shift = set1(highest);
    V total = bad;
    for (int i = low / LANES * LANES; i < high; i += LANES) {
      V e = exp(sub(load(p + i), shift));
      store(p + i, e);
      total = add(total, e);
    }
    store(o_[r] + size_ - 2 * LANES, set1(sum(total)));
    store(o_[r] + size_ - LANES, shift);
  }

  // Quantised values: the weights times the scales of a group, and the sum of weights
  // times biases, with which the sums of values start.
  void scale(int group, int from, int to) {
    const int groups = kv_groups(c_);
    walk(from, to, [&](int block, int slot, int end, int place) {
      const uint16_t* scales = (const uint16_t*)(values_[block] + c_.block_tokens * row_) + slot;
      const size_t bytes = sizeof(uint16_t) * (end - slot);
      std::memcpy(scales_ + place, scales + size_t(group) * c_.block_tokens, bytes);
      std::memcpy(biases_ + place, scales + size_t(groups + group) * c_.block_tokens, bytes);
    });
    for (int r = 0; r < n_; r++) {
      const int low = this->low(r), high = this->high(r);
      V total = zero();
      for (int i = low / LANES * LANES; i < high; i += LANES) {
        const V p = load(p_[r] + i);
        store(w_[r] + i, mul(p, load_f16(scales_ + i)));
        total = fma(p, seen(load_f16(biases_ + i), zero(), i, low, high), total);
      }
      bias_[r] = sum(total);
    }
  }

  // Adds up the weighted values, for quantised ones those of a group.
  void collect(int group) {
    constexpr int per_group = KV_GROUP / LANES;
    const int all = int(size_) / LANES - 2, first = BITS == 16 ? 0 : group * per_group;
    const int vectors = BITS == 16 || all < first + per_group ? all : first + per_group;
    for (int r = 0; r < n_; r++)
      for (int v = first; v < vectors; v++) store(o_[r] + v * LANES, BITS == 16 ? zero() : set1(bias_[r]));
    // What all queries see is added for all at once, the rest for each by itself.
    const int low_ = low(n_ - 1), high_ = high(0);
    for (int r = 0; r < n_; r++) add_values<1>(r, low(r), low_ < high_ ? low_ : high(r), first, vectors);
    if (low_ >= high_) return;
    add_values<R>(0, low_, high_, first, vectors);
    for (int r = 0; r < n_; r++) add_values<1>(r, high_, high(r), first, vectors);
  }

  // Block by block, so that a block is read from the nearest cache for all vectors but the first.
  template <int ROWS>
  void add_values(int r, int low, int high, int first, int vectors) {
    if (low >= high) return;
    // The first group's vectors fetch the next block.
    const size_t ahead = first == 0 ? row_ / vectors : 0; // bytes for each vector of a position
    walk(base_ + low, base_ + high, [&](int block, int slot, int end, int place) {
      int v = first;
      if constexpr (4 * ROWS <= ACCUMULATORS) {
        for (; v + 4 <= vectors; v += 4) add_vectors<ROWS, 4, 0>(r, block, slot, end, place, v, ahead);
      }
      if constexpr (2 * ROWS <= ACCUMULATORS) {
        for (; v + 2 <= vectors; v += 2) add_vectors<ROWS, 2, 0>(r, block, slot, end, place, v, ahead);
      }
      for (; v < vectors; v++) {
        if (v % 2) add_vectors<ROWS, 1, 1>(r, block, slot, end, place, v, ahead);
        else add_vectors<ROWS, 1, 0>(r, block, slot, end, place, v, ahead);
      }
    });
  }

  template <int ROWS, int N, int ODD>
  void add_vectors(int first, int block, int slot, int end, int place, int vector, size_t fetch) {
    const float* w = (BITS == 16 ? p_[first] : w_[first]) + place;
    V sum[ROWS][N];
    for (int r = 0; r < ROWS; r++)
      for (int n = 0; n < N; n++) sum[r][n] = load(o_[first + r] + (vector + n) * LANES);
    const uint8_t* row = values_[block] + slot * row_;
    const uint8_t* ahead = values_[block + 1] + fetch * (size_t(vector) * c_.block_tokens + slot * N);
    for (; slot < end; slot++, w++, row += row_, ahead += fetch * N) {
      V x[N];
      unpack<N, ODD>(row, vector, x);
      prefetch(ahead);
      for (int r = 0; r < ROWS; r++) {
        const V y = set1(w[r * STRIDE]);
        for (int n = 0; n < N; n++) sum[r][n] = fma(x[n], y, sum[r][n]);
      }
    }
    for (int r = 0; r < ROWS; r++)
      for (int n = 0; n < N; n++) store(o_[first + r] + (vector + n) * LANES, sum[r][n]);
  }

  template <int N, int ODD>
  static void unpack(const uint8_t* row, int vector, V x[N]) {
    x[0] = load_value<BITS, ODD>(row, vector);
    if constexpr (N > 1) x[1] = load_value<BITS, 1>(row, vector + 1);
    if constexpr (N > 2) x[2] = load_value<BITS, 0>(row, vector + 2), x[3] = load_value<BITS, 1>(row, vector + 3);
  }

  const Attend& a_;
  const Cache& c_;
  const Span& span_;
  const int head_, first_, n_, shared_;
  const size_t size_, row_;
  int from_[R], to_[R]; // the positions that a query sees
  int base_, first_block_;
  const uint8_t *keys_[PARTITION + 2], *values_[PARTITION + 2];
  alignas(64) float q_[MAX_HEAD * R]; // scaled; the queries of an input side by side
  float sums_[MAX_HEAD / KV_GROUP * R], bias_[R];
  alignas(64) uint16_t scales_[PARTITION], biases_[PARTITION];
  alignas(64) float p_[R][STRIDE];                  // scores, then weights
  alignas(64) float w_[BITS == 16 ? 1 : R][STRIDE]; // weights times scales
  alignas(64) float o_[R][RESULT], sum_[R][RESULT]; // of a partition, of all
};

// How a span is cut, kept at the start of the scratch.
struct Plan {
  int32_t part;       // the first of its parts
  int32_t tiles;      // for each KV head
  int32_t partition;  // the first,
  int32_t partitions; // and how many if each is a part and leaves results; else 0
  int32_t result;     // where in the scratch its results begin
};

inline Plan plan(const Attend& a, const Span& s) {
  const int queries = s.length * (a.heads / a.cache.kv_heads), end = s.start + s.length;
  Plan p = {};
  p.tiles = (queries + QUERIES - 1) / QUERIES;
  p.partition = a.window > 0 && s.start >= a.window ? (s.start - a.window + 1) / PARTITION : 0;
  const int partitions = (end - 1) / PARTITION + 1 - p.partition;
  if (p.tiles * a.cache.kv_heads < FEW_TILES && partitions > 1) p.partitions = partitions;
  return p;
}

inline int parts(const Attend& a, const Plan& p) { return p.tiles * a.cache.kv_heads * (p.partitions > 0 ? p.partitions : 1); }
inline int results(const Attend& a, const Span& s, const Plan& p) { return s.length * a.heads * p.partitions; }
inline size_t plans_size(const Attend& a) { return round_up((size_t(a.spans) + 1) * sizeof(Plan) / sizeof(float), LANES); }

size_t attend_scratch(const Attend& a) {
  size_t all = 0;
  for (int i = 0; i < a.spans; i++) all += results(a, a.span[i], plan(a, a.span[i]));
  return plans_size(a) + all * result_size(a);
}

int attend_parts(const Attend& a, float* scratch) {
  Plan* plans = (Plan*)scratch;
  Plan next = {};
  for (int i = 0; i < a.spans; i++) {
    Plan p = plan(a, a.span[i]);
    p.part = next.part, p.result = next.result;
    next.part += parts(a, p), next.result += results(a, a.span[i], p);
    plans[i] = p;
  }
  plans[a.spans] = next;
  return next.part;
}

// The results of a query, one for each partition. Queries are counted over all KV heads of the span.
inline size_t result_of(const Attend& a, const Plan& p, int query) {
  return plans_size(a) + (size_t(p.result) + size_t(query) * p.partitions) * result_size(a);
}

template <int BITS, int R>
void attend_tile(const Attend& a, const Span& s, const Plan& p, float* scratch, int head, int first, int n, int partition) {
  Tile<BITS, R> tile(a, s, head, first, n);
  if (p.partitions == 0) return tile.run();
  tile.partition(p.partition + partition);
  const size_t size = result_size(a);
  const int queries = s.length * (a.heads / a.cache.kv_heads);
  for (int r = 0; r < n; r++) {
    float* to = scratch + result_of(a, p, head * queries + first + r) + partition * size;
    if (tile.sees(r)) std::memcpy(to, tile.result(r), sizeof(float) * size);
  }
}

template <int BITS>
void attend_bits(const Attend& a, const Span& s, const Plan& p, float* scratch, int head, int first, int n, int partition) {
  switch (n) {
    case 1: return attend_tile<BITS, 1>(a, s, p, scratch, head, first, n, partition);
    case 2: return attend_tile<BITS, 2>(a, s, p, scratch, head, first, n, partition);
    case 3: return attend_tile<BITS, 3>(a, s, p, scratch, head, first, n, partition);
    case 4: return attend_tile<BITS, 4>(a, s, p, scratch, head, first, n, partition);
    case 5:
    case 6: return attend_tile<BITS, 6>(a, s, p, scratch, head, first, n, partition);
  }
  if constexpr (QUERIES > 6) {
    if (n <= 8) return attend_tile<BITS, 8>(a, s, p, scratch, head, first, n, partition);
    return attend_tile<BITS, QUERIES>(a, s, p, scratch, head, first, n, partition);
  }
}

void attend(const Attend& a, float* scratch, int part) {
  const Plan* plans = (const Plan*)scratch;
  int low = 0, high = a.spans; // the part is of a span in [low, high)
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (plans[middle].part <= part ? low : high) = middle;
  }
  const Span& s = a.span[low];
  const Plan& p = plans[low];
  part -= p.part;
  const int queries = s.length * (a.heads / a.cache.kv_heads);
  const int partitions = p.partitions > 0 ? p.partitions : 1;
  const int partition = part % partitions, tile = part / partitions % p.tiles, head = part / partitions / p.tiles;
  const int first = tile * QUERIES, n = queries - first < QUERIES ? queries - first : QUERIES;
  switch (a.cache.bits) {
    case 16: return attend_bits<16>(a, s, p, scratch, head, first, n, partition);
    case 8: return attend_bits<8>(a, s, p, scratch, head, first, n, partition);
    case 4: return attend_bits<4>(a, s, p, scratch, head, first, n, partition);
  }
}

int merge_parts(const Attend& a) {
  for (int i = 0; i < a.spans; i++)
    if (plan(a, a.span[i]).partitions > 0) return a.spans * a.cache.kv_heads;
  return 0;
}

// Joins the partitions of the queries of one span and KV head.
void merge(const Attend& a, const float* scratch, int part) {
  const int span = part / a.cache.kv_heads, kv_head = part % a.cache.kv_heads;
  const Span& s = a.span[span];
  const Plan& p = ((const Plan*)scratch)[span];
  if (p.partitions == 0) return;
  const size_t size = result_size(a);
  const int shared = a.heads / a.cache.kv_heads, queries = s.length * shared;
  for (int i = 0; i < queries; i++) {
    const int token = i / shared, head = kv_head * shared + i % shared, position = s.start + token;
    const int from = a.window > 0 && position >= a.window ? position - a.window + 1 : 0;
    const float* parts = scratch + result_of(a, p, kv_head * queries + i);
    float sum[RESULT];
    start_result(sum, size);
    for (int k = from / PARTITION; k <= position / PARTITION; k++) join(sum, parts + (k - p.partition) * size, size);
    finish_result(a, head, sum, size, a.out + (size_t(s.first + token) * a.heads + head) * a.cache.head_dim);
  }
}

} // namespace troupe::TROUPE_ISA
