//go:build cgo && !nomlx

#include "shim.h"

#include <atomic>
#include <cstring>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "allocate.h"
#include "graph.h"
#include "mlx/compile.h"
#include "mlx/device.h"
#include "mlx/memory.h"
#include "mlx/ops.h"
#include "mlx/stream.h"
#include "mlx/transforms.h"
#include "mlx/utils.h"

using namespace troupe;

// A slot that was updated in a graph, with its value before: kept until Eval so
// that Close can undo, dropped then so that the update can reuse the buffer.
struct Update {
  std::shared_ptr<Cell> slot;
  std::optional<mx::array> before;
};

struct Slot : Cell, std::enable_shared_from_this<Slot> {};

struct mlx_graph {
  uint64_t thread = mlx_thread_id();
  std::vector<std::unique_ptr<Cell>> cells;
  std::vector<std::shared_ptr<Slot>> slots;
  std::vector<Update> updates;
  Arena weights;

  uintptr_t own(mx::array a) {
    cells.push_back(std::make_unique<Cell>(Cell{std::move(a)}));
    return reinterpret_cast<uintptr_t>(cells.back().get());
  }
};

struct mlx_machine {
  std::shared_ptr<Machine> it;
};

static thread_local std::string last_error;

static int failed(const char* op, const char* what) {
  // Most messages of MLX begin with the operation in brackets.
  last_error = op && what[0] != '[' ? std::string(op) + ": " + what : what;
  return MLX_FAILED;
}

template <typename F>
static int guard(const char* op, F&& f) {
  try {
    f();
    return MLX_OK;
  } catch (const NullArray&) {
    last_error = op ? op : "";
    return MLX_NULL;
  } catch (const std::exception& e) {
    return failed(op, e.what());
  } catch (...) {
    return failed(op, "a C++ exception that is not a std::exception");
  }
}

template <typename F>
static int guard(mlx_graph* g, const char* op, F&& f) {
  return g->thread == mlx_thread_id() ? guard(op, f) : MLX_THREAD;
}

static Cell* cell(uintptr_t address) {
  return reinterpret_cast<Cell*>(address);
}

static void evaluate(mlx_graph* g, std::vector<mx::array> outputs) {
  for (auto& u : g->updates) {
    u.before.reset();
    outputs.push_back(*u.slot->value);
  }
  g->updates.clear();
  mx::eval(std::move(outputs));
}

static bool works(mx::Device device) {
  try {
    if (!mx::is_available(device)) return false;
    mx::set_default_device(device);
    mx::eval({mx::add(mx::array(1.0f), mx::array(1.0f))});
    return true;
  } catch (const std::exception& e) {
    last_error = e.what();
    return false;
  }
}

extern "C" {

const char* mlx_last_error(void) {
  return last_error.c_str();
}

uint64_t mlx_thread_id(void) {
  static std::atomic<uint64_t> count{0};
  static thread_local const uint64_t id = ++count;
  return id;
}

int mlx_start(int32_t* device) {
  enum { Auto, CPU, GPU };
  return guard(nullptr, [&] {
    std::string version = mx::version();
    std::string want = std::to_string(MLX_VERSION_MAJOR) + "." + std::to_string(MLX_VERSION_MINOR) +
        "." + std::to_string(MLX_VERSION_PATCH);
    if (version.substr(0, version.find(".dev")) != want) {
      throw std::runtime_error("the MLX library is version " + version + " but this program was compiled for " +
                               want + ": run mlx/fetch.sh and build again");
    }
    // compile() would run g++ at run time and load what it makes from $TMPDIR.
    mx::disable_compile();
    last_error.clear();
    if (*device != CPU && works(mx::Device::gpu)) {
      *device = GPU;
      return;
    }
    if (*device == GPU) {
      throw std::runtime_error("no GPU that MLX can use" + (last_error.empty() ? "" : ": " + last_error));
    }
    if (!works(mx::Device::cpu)) throw std::runtime_error("the CPU device does not work: " + last_error);
    *device = CPU;
  });
}

int mlx_stop(void) {
  return guard("stop", [] {
    mx::synchronize();
    mx::clear_streams();
  });
}

void mlx_memory(uint64_t* active, uint64_t* peak, uint64_t* cache) {
  *active = mx::get_active_memory();
  *peak = mx::get_peak_memory();
  *cache = mx::get_cache_memory();
}

int mlx_set_cache_limit(size_t bytes) {
  return guard("cache limit", [&] { mx::set_cache_limit(bytes); });
}

int mlx_set_memory_limit(size_t bytes) {
  return guard("memory limit", [&] { mx::set_memory_limit(bytes); });
}

void mlx_reset_peak(void) {
  mx::reset_peak_memory();
}

int mlx_clear_cache(void) {
  return guard("clear cache", [] {
    mx::clear_cache();
#ifdef __GLIBC__
    malloc_trim(0);  // or the C library keeps what was freed: most of the weights
#endif
  });
}

mlx_graph* mlx_graph_new(void) {
  return new mlx_graph;
}

int mlx_graph_free(mlx_graph* g) {
  return guard(g, "close", [&] {
    for (auto& u : g->updates) u.slot->value = std::move(u.before);
    delete g;
  });
}

int mlx_apply(mlx_graph* g, int32_t op, const uintptr_t* in, size_t n_in, const int64_t* ints,
              size_t n_ints, const double* floats, size_t n_floats, uintptr_t* out, size_t n_out) {
  return guard(g, mlx_op_name(op), [&] {
    auto results = build(op, Args{in, n_in, ints, n_ints, floats, n_floats});
    if (results.size() != n_out) throw std::logic_error("unexpected number of results");
    for (size_t i = 0; i < n_out; i++) out[i] = g->own(std::move(results[i]));
  });
}

int mlx_update(mlx_graph* g, int32_t op, const uintptr_t* in, size_t n_in, const int64_t* ints,
               size_t n_ints) {
  return guard(g, mlx_op_name(op), [&] {
    Args args{in, n_in, ints, n_ints, nullptr, 0};
    args.array(0); // the slot is not null
    auto results = build(op, args);
    auto slot = static_cast<Slot*>(cell(in[0]))->shared_from_this();
    bool first = true;
    for (auto& u : g->updates) first = first && u.slot != slot;
    if (first) g->updates.push_back({slot, slot->value});
    slot->value = std::move(results[0]);
  });
}

int mlx_eval(mlx_graph* g, const uintptr_t* in, size_t n_in) {
  return guard(g, "eval", [&] { evaluate(g, Args{in, n_in, nullptr, 0, nullptr, 0}.arrays()); });
}

int mlx_slot_new(mlx_graph* g, uintptr_t from, uintptr_t* slot) {
  return guard(g, "slot", [&] {
    Args{&from, 1, nullptr, 0, nullptr, 0}.array(0);
    auto made = std::make_shared<Slot>();
    made->value = std::exchange(cell(from)->value, std::nullopt);
    *slot = reinterpret_cast<uintptr_t>(static_cast<Cell*>(made.get()));
    g->slots.push_back(std::move(made));
  });
}

int mlx_from_bytes(mlx_graph* g, const void* data, size_t size, int32_t type, const int64_t* shape,
                   size_t n_shape, uintptr_t* out) {
  return guard(g, "from bytes", [&] {
    auto dims = Args{nullptr, 0, shape, n_shape, nullptr, 0}.shape(0, n_shape);
    auto buffer = allocate(size);
    if (data != nullptr) std::memcpy(buffer.buffer().raw_ptr(), data, size);
    *out = g->own(mx::array(std::move(buffer), dims, dtype(type)));
  });
}

int mlx_read(mlx_graph* g, uintptr_t address, int32_t type, void* dst, size_t size) {
  return guard(g, "read", [&] {
    auto a = Args{&address, 1, nullptr, 0, nullptr, 0}.array(0);
    const bool ready = a.dtype() == dtype(type) && a.is_available() && a.flags().row_contiguous;
    if (!ready) a = mx::contiguous(mx::astype(a, dtype(type)));
    if (a.nbytes() != size) {
      throw std::invalid_argument("the array takes " + std::to_string(a.nbytes()) +
                                  " bytes, the destination has " + std::to_string(size));
    }
    if (!ready || !g->updates.empty()) evaluate(g, {a});
    if (size > 0) std::memcpy(dst, a.data<char>(), size);
  });
}

size_t mlx_ndim(uintptr_t address) {
  auto& a = cell(address)->value;
  return a ? a->ndim() : 0;
}

void mlx_shape(uintptr_t address, int64_t* shape) {
  auto& a = cell(address)->value;
  if (!a) return;
  for (size_t i = 0; i < a->ndim(); i++) shape[i] = a->shape()[i];
}

int32_t mlx_dtype(uintptr_t address) {
  auto& a = cell(address)->value;
  return a ? int32_t(a->dtype().val()) : 0;
}

bool mlx_available(uintptr_t address) {
  auto& a = cell(address)->value;
  return a && a->is_available();
}

uintptr_t mlx_data(uintptr_t address) {
  auto& a = cell(address)->value;
  return a && a->data_shared_ptr() ? reinterpret_cast<uintptr_t>(a->data<char>()) : 0;
}

int mlx_machine_new(int32_t threads, const char* isa, mlx_machine** out) {
  return guard("kernels", [&] { *out = new mlx_machine{std::make_shared<Machine>(threads, isa)}; });
}

void mlx_machine_free(mlx_machine* m) {
  delete m;
}

const char* mlx_machine_isa(mlx_machine* m) {
  return m->it->kernels.name;
}

int64_t mlx_machine_busy(mlx_machine* m) {
  return m->it->busy;
}

int mlx_machine_limits(mlx_machine* m, double* read, double* dots) {
  return guard("limits", [&] {
    Limits l = measure(*m->it);
    *read = l.read, *dots = l.dots;
  });
}

int mlx_run(mlx_graph* g, mlx_machine* m, const uintptr_t* in, size_t n_in, const int64_t* words, size_t n_words,
            const int32_t* ints, size_t n_ints, const float* floats, size_t n_floats, const int64_t* outputs,
            size_t n_outputs, uintptr_t* out) {
  return guard(g, "program", [&] {
    auto results = build(m->it,
                         Code{{words, words + n_words}, {ints, ints + n_ints}, {floats, floats + n_floats}, {outputs, outputs + n_outputs}},
                         Args{in, n_in, nullptr, 0, nullptr, 0}.arrays());
    for (size_t i = 0; i < n_outputs; i++) out[i] = g->own(std::move(results[i]));
  });
}

int mlx_reserve(mlx_graph* g, size_t bytes, size_t weights) {
  return guard(g, "reserve", [&] { g->weights.reserve(bytes, weights); });
}

int mlx_pack(mlx_graph* g, int32_t form, int32_t scale, int32_t n, int32_t k, int32_t group, const void* weights,
             const void* scales, const void* biases, uintptr_t* out) {
  return guard(g, "pack", [&] {
    Weight w{nullptr, Form(form), Scale(scale), n, k, group};
    auto packed = g->weights.take(packed_size(w));
    pack(w, weights, scales, biases, packed.data<uint8_t>());
    *out = g->own(std::move(packed));
  });
}

void mlx_cache_bytes(int32_t bits, int32_t head_dim, int32_t block_tokens, size_t* keys, size_t* values) {
  Cache c{nullptr, nullptr, bits, 1, head_dim, block_tokens};
  *keys = key_bytes(c), *values = value_bytes(c);
}

} // extern "C"
