// Memory for what is large and stays: weights and KV pools.
#ifndef TROUPE_MLX_ALLOCATE_H
#define TROUPE_MLX_ALLOCATE_H

#include <cstddef>
#include <optional>

#include "mlx/array.h"

namespace troupe {

// Throws if MLX's CPU allocator cannot give so many bytes.
void check_memory(size_t bytes);

// Memory of MLX that was asked for first, on large pages where the system has them.
mlx::core::allocator::Data allocate(size_t bytes);

// An Arena is memory for arrays that are made together and stay, the weights of a model. They lie side by
// side: a weight of a few megabytes by itself would have most of its ends in small pages. The memory is freed when
// the arena and all of its arrays are gone.
class Arena {
 public:
  // Makes room for arrays of so many bytes in all, to be taken next.
  void reserve(size_t bytes, size_t arrays);

  // An array of so many bytes, in words of 8, on the CPU; uninitialised. It begins at a cache line. What was not
  // reserved gets memory of its own.
  mlx::core::array take(size_t bytes);

 private:
  void open(size_t bytes);

  std::optional<mlx::core::array> chunk_;
  size_t next_ = 0; // the first free byte of the chunk
};

// Asks for large pages for memory that nobody has written to yet, which is read faster from them. Only
// Linux needs to be asked; best effort.
void large_pages(void* memory, size_t bytes);

} // namespace troupe

#endif
