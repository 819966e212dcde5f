//go:build cgo && !nomlx

// Programs as primitives of MLX.

#include "program.h"

#include <chrono>
#include <stdexcept>

#include "graph.h"
#include "mlx/allocator.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/primitives.h"
#include "mlx/stream.h"

namespace troupe {

namespace {

// What a program runs on. Its arrays are not inputs of the primitive: MLX would copy and count the
// references of hundreds of weights at several places in each step.
struct Job {
  std::shared_ptr<Machine> machine;
  Code code;
  std::vector<mx::array> arrays;
};

class Program : public mx::Primitive {
 public:
  Program(mx::Stream s, Job job) : mx::Primitive(s), job_(std::make_shared<const Job>(std::move(job))) {}

  void eval_cpu(const std::vector<mx::array>&, std::vector<mx::array>& out) override {
    std::vector<float*> outputs;
    for (auto& a : out) {
      a.set_data(mx::allocator::malloc(a.nbytes()));
      outputs.push_back(a.data<float>());
    }
    // The primitive may be gone when the task runs.
    mx::cpu::get_command_encoder(stream()).dispatch([job = job_, outputs = std::move(outputs)] {
      const auto began = std::chrono::steady_clock::now();
      std::vector<void*> arrays;
      arrays.reserve(job->arrays.size());
      for (auto& a : job->arrays) arrays.push_back(const_cast<char*>(a.data<char>()));
      execute(*job->machine, job->code, arrays, outputs);
      job->machine->busy += std::chrono::nanoseconds(std::chrono::steady_clock::now() - began).count();
    });
  }

  void eval_gpu(const std::vector<mx::array>&, std::vector<mx::array>&) override {
    throw std::runtime_error("program: runs on the CPU only");
  }

  const char* name() const override { return "Program"; }

 private:
  std::shared_ptr<const Job> job_;
};

} // namespace

std::vector<mx::array> build(std::shared_ptr<Machine> machine, Code code, std::vector<mx::array> arrays) {
  for (auto& a : arrays) {
    if (!a.is_available()) throw std::invalid_argument("program: an array is not evaluated");
    if (!a.flags().row_contiguous) throw std::invalid_argument("program: an array is not row-contiguous");
  }
  std::vector<mx::Shape> shapes;
  std::vector<mx::Dtype> types;
  for (int64_t n : code.outputs) {
    shapes.push_back(mx::Shape{mx::safe_cast(n)});
    types.push_back(mx::float32);
  }
  auto stream = mx::default_stream(mx::Device::cpu);
  Job job{std::move(machine), std::move(code), std::move(arrays)};
  return mx::array::make_arrays(std::move(shapes), types, std::make_shared<Program>(stream, std::move(job)), {});
}

} // namespace troupe
