// The candidates of rows of logits.

#include "check.h"

namespace check {

void reduce(Case c) {
  Random& random = c.random;
  Reduce r{};
  r.rows = random.in(1, 4), r.vocab = random.one_in(6) ? random.in(100000, 262144) : random.in(1, 5000);
  r.k = random.pick({1, 2, 20, 64, MOST_CANDIDATES});
  auto logits = normals(random, size_t(r.rows) * r.vocab, 4);
  if (random.one_in(2)) { // equal ones
    for (size_t i = 0; i < logits.size(); i++) logits[i] = std::round(logits[i]);
  }
  for (int i = 0; random.one_in(2) && i < r.vocab / 2 + 1; i++) logits[size_t(random.in(0, int(logits.size()) - 1))] = -INFINITY;
  if (random.one_in(3)) logits[size_t(random.in(0, int(logits.size()) - 1))] = random.pick({float(NAN), float(INFINITY)});
  if (random.one_in(8)) std::fill(logits.data(), logits.data() + r.vocab, random.pick({0.0f, -INFINITY}));
  Buffer<int32_t> wants(r.rows), ids(size_t(r.rows) * r.k);
  Buffer<float> values(size_t(r.rows) * r.k), sums(r.rows);
  for (int i = 0; i < r.rows; i++) wants[i] = random.one_in(2) ? r.k : random.in(-1, r.k);
  r.logits = logits.data(), r.wants = wants.data(), r.values = values.data(), r.ids = ids.data(), r.logsumexp = sums.data();
  Buffer<float> scratch(c.k.reduce_scratch(r));
  c.machine.pool.run(c.k.reduce_parts(r), [&](int i) { c.k.reduce(r, scratch.data(), i); });
  c.machine.pool.run(r.rows, [&](int i) { c.k.rank(r, scratch.data(), i); });

  for (int row = 0; row < r.rows; row++) {
    const float* x = r.logits + size_t(row) * r.vocab;
    double top = -INFINITY, total = 0;
    for (int i = 0; i < r.vocab; i++) top = std::max(top, double(x[i]));
    for (int i = 0; i < r.vocab; i++) total += std::exp(x[i] - top); // NaN if a logit is NaN or infinity, or none is finite
    const double want = top + std::log(total);
    int found = 0;
    if (std::isfinite(want)) {
      near(sums[row], want, 1e-6 * std::abs(want) + 1e-5, "sum of row", row);
      found = std::clamp(wants[row], 0, r.vocab);
      std::vector<int32_t> order(r.vocab);
      for (int i = 0; i < r.vocab; i++) order[size_t(i)] = i;
      std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return x[a] > x[b]; });
      for (int i = 0; i < found; i++) {
        const size_t at = size_t(row) * r.k + i;
        expect(ids[at] == order[size_t(i)], "candidate " + std::to_string(i) + " is " + std::to_string(ids[at]) + ", want " +
                                                std::to_string(order[size_t(i)]));
        expect(values[at] == x[ids[at]], "a candidate's logit");
      }
    } else {
      expect(!std::isfinite(sums[row]), "a row with a broken logit must not have a sum");
    }
    for (int i = found; i < r.k; i++) expect(ids[size_t(row) * r.k + i] == -1, "written behind the candidates");
  }
}

} // namespace check
