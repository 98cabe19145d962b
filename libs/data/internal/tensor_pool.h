#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/status.h"
#include "libs/tensor/tensor.h"

namespace trainyard::data::internal {

/// Hands out tensors whose memory comes back when the last handle is gone, even after the pool
/// itself is. Their content is whatever was there. Thread-safe.
class TensorPool : public std::enable_shared_from_this<TensorPool> {
 public:
  /// Keeps at most `max_free` unused buffers.
  static std::shared_ptr<TensorPool> Create(size_t max_free) {
    return std::shared_ptr<TensorPool>(new TensorPool(max_free));
  }

  absl::StatusOr<Tensor> Take(DType dtype, const Shape& shape) {
    TY_ASSIGN_OR_RETURN(const int64_t count, ElementCount(shape));
    const int64_t bytes = count * SizeOf(dtype);
    std::optional<Tensor> buffer = FindFree(bytes);
    if (!buffer) {
      TY_ASSIGN_OR_RETURN(buffer, Tensor::Create(DType::kUInt8, {bytes}));
    }
    void* const memory = buffer->raw();
    std::shared_ptr<const void> keeper(new Tensor(*std::move(buffer)),
                                       [pool = weak_from_this()](Tensor* returned) {
                                         if (const auto alive = pool.lock()) alive->Put(*returned);
                                         delete returned;
                                       });
    return Tensor::View(dtype, shape, memory, std::move(keeper));
  }

 private:
  explicit TensorPool(size_t max_free) : max_free_(max_free) {}

  std::optional<Tensor> FindFree(int64_t bytes) {
    const std::lock_guard lock(mutex_);
    for (size_t i = 0; i < free_.size(); ++i) {
      // Much larger ones are left for those who need them.
      if (free_[i].size() < bytes || free_[i].size() / 4 > bytes) continue;
      Tensor found = free_[i];
      free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
      return found;
    }
    return std::nullopt;
  }

  void Put(const Tensor& buffer) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < max_free_) free_.push_back(buffer);
  }

  const size_t max_free_;
  std::mutex mutex_;
  std::vector<Tensor> free_;
};

}  // namespace trainyard::data::internal
