// Memory for what is large and stays: weights and KV pools.
#ifndef TROUPE_MLX_ALLOCATE_H
#define TROUPE_MLX_ALLOCATE_H

#include <cstddef>

#include "mlx/allocator.h"

namespace troupe {

// Throws if MLX's CPU allocator cannot give so many bytes.
void check_memory(size_t bytes);

// Memory of MLX that was asked for first, on large pages where the system has them.
mlx::core::allocator::Data allocate(size_t bytes);

// Asks for large pages for memory that nobody has written to yet, which is read faster from them. Only
// Linux needs to be asked; best effort.
void large_pages(void* memory, size_t bytes);

} // namespace troupe

#endif
