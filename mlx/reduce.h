// What sampling needs of rows of logits. Included by the file of each instruction
// set, after vec.h.
//
// A row is read once, in chunks that threads share. The largest logits of sets of sixteen,
// which are kept, then give a bound: as many logits reach the n-th largest of them as
// there are candidates wanted, and hardly any more. Only blocks that reach it are read again.

namespace troupe::TROUPE_ISA {

constexpr int BLOCK = 16 * LANES; // set i of a block is lane i of its vectors
constexpr int CHUNK = 16 * BLOCK;

inline int chunks(const Reduce& r) { return (r.vocab + CHUNK - 1) / CHUNK; }
inline int blocks(const Reduce& r) { return (r.vocab + BLOCK - 1) / BLOCK; }

// The scratch of a row: its sets, the maximum and the sum of each chunk, and room for the sets again.
inline size_t reduce_row(const Reduce& r) { return 2 * size_t(blocks(r)) * LANES + 2 * size_t(chunks(r)); }

size_t reduce_scratch(const Reduce& r) { return r.rows * reduce_row(r); }
int reduce_parts(const Reduce& r) { return r.rows * chunks(r); }

// Vector i of n logits; after their end come those that are ruled out.
inline V logits_at(const float* x, int i, int n) {
  return i + LANES <= n ? load(x + i) : select_n(load_n(x + i, n - i), set1(-INFINITY), n - i);
}

void reduce(const Reduce& r, float* scratch, int part) {
  const int row = part / chunks(r), chunk = part % chunks(r), begin = chunk * CHUNK;
  const int n = r.vocab - begin < CHUNK ? r.vocab - begin : CHUNK;
  const float* x = r.logits + size_t(row) * r.vocab + begin;
  float* largest = scratch + row * reduce_row(r);
  float* sums = largest + size_t(blocks(r)) * LANES + 2 * chunk;
  V top = set1(-INFINITY), bad = zero();
  for (int block = 0; block < n; block += BLOCK) {
    const int end = block + BLOCK < n ? block + BLOCK : n;
    V high = set1(-INFINITY);
    for (int i = block; i < end; i += LANES) {
      const V v = logits_at(x, i, n);
      high = max(high, v);
      bad = fma(max(set1(-3e38f), v), zero(), bad); // of a NaN and another number, max returns the second
    }
    store(largest + (begin + block) / BLOCK * LANES, high);
    top = max(top, high);
  }
  const float highest = most(top);
  const V shift = set1(highest);
  V total = bad; // not a number if a logit is NaN or infinity
  for (int i = 0; i < n; i += LANES) total = add(total, exp(sub(logits_at(x, i, n), shift)));
  sums[0] = highest, sums[1] = sum(total);
}

struct Candidate {
  float logit;
  int32_t id;
  bool operator<(const Candidate& c) const { return logit > c.logit || (logit == c.logit && id < c.id); } // comes before c
};

// The bound of n candidates. It folds sets together as long as there are plenty.
inline float bound(float* largest, size_t sets, size_t n) {
  if (sets < n) return -INFINITY;
  while (sets / 2 >= 16 * n) {
    const size_t half = sets / 2 / LANES * LANES;
    for (size_t i = half; i < sets; i += LANES) {
      float* to = largest + (i - half) % half;
      store(to, max(load(to), load(largest + i)));
    }
    sets = half;
  }
  std::nth_element(largest, largest + n - 1, largest + sets, [](float x, float y) { return x > y; });
  return largest[n - 1];
}

// The second phase, for a row: merges its chunks and finds the candidates. If
// its logsumexp is not finite there are none.
void rank(const Reduce& r, float* scratch, int row) {
  const float* x = r.logits + size_t(row) * r.vocab;
  float* largest = scratch + row * reduce_row(r);
  const size_t sets = size_t(blocks(r)) * LANES;
  float* sums = largest + sets;
  double top = -INFINITY, total = 0;
  for (int i = 0; i < chunks(r); i++) top = sums[2 * i] > top ? double(sums[2 * i]) : top;
  for (int i = 0; i < chunks(r); i++) total += sums[2 * i + 1] * std::exp(sums[2 * i] - top);
  r.logsumexp[row] = float(top + std::log(total));
  const int n = r.wants[row] < r.vocab ? r.wants[row] : r.vocab;
  if (n <= 0 || !std::isfinite(r.logsumexp[row])) return;

  float at_least = float(top);
  if (n > 1) {
    float* copy = sums + 2 * chunks(r);
    std::memcpy(copy, largest, sizeof(float) * sets);
    at_least = bound(copy, sets, size_t(n));
  }
  Candidate best[4 * MOST_CANDIDATES];
  int found = 0;
  auto keep = [&](int count) { // the best count of those found
    if (count < found) std::nth_element(best, best + count - 1, best + found);
    found = count < found ? count : found;
  };
  for (int block = 0; block < blocks(r); block++) {
    if (!reaches(load(largest + block * LANES), set1(at_least))) continue;
    for (int i = block * BLOCK; i < (block + 1) * BLOCK && i < r.vocab; i += LANES) {
      for (unsigned lanes = reaches(logits_at(x, i, r.vocab), set1(at_least)); lanes; lanes &= lanes - 1) {
        const int id = i + __builtin_ctz(lanes);
        if (id >= r.vocab) break; // behind the end, if even logits that are ruled out are wanted
        if (found == 4 * MOST_CANDIDATES) keep(n), at_least = best[n - 1].logit;
        best[found++] = {x[id], id};
      }
    }
  }
  keep(n);
  std::sort(best, best + n);
  for (int i = 0; i < n; i++) r.values[size_t(row) * r.k + i] = best[i].logit, r.ids[size_t(row) * r.k + i] = best[i].id;
}

} // namespace troupe::TROUPE_ISA
