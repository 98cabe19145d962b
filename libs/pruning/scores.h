#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/tensor/tensor.h"

namespace trainyard::pruning {

/// What the norms of a layer are divided by. TAO -n.
enum class Normalizer {
  /// The largest norm: the strongest filter has 1.
  kMax,
  /// The L2 norm of all norms, as the guide says.
  kL2,
};

/// How layers that must keep the same channels agree on scores. TAO -eq. The names are TAO's; they
/// act on scores, not on sets of channels.
enum class Equalization {
  /// The larger score.
  kUnion,
  /// The smaller one.
  kIntersection,
  kArithmeticMean,
  /// exp(mean(log(score))): 0 when one is 0.
  kGeometricMean,
};

/// L2 norm of each slice of `kernel` along `axis`: over all other axes, without bias. Accumulated
/// in double, rounded to float. kUnimplemented unless f32; kInvalidArgument for an axis out of
/// range.
absl::StatusOr<std::vector<float>> FilterNorms(const Tensor& kernel, int64_t axis);

/// Norms divided as `normalizer` says, in float, as TAO computes. `tao_compat` multiplies kL2 by
/// the number of norms, as TAO's code does and its guide does not. 0 where all norms are 0.
std::vector<float> NormalizeNorms(absl::Span<const float> norms, Normalizer normalizer,
                                  bool tao_compat);

/// One score per channel from those of several layers, all of one length. At least one layer.
std::vector<float> MergeScores(const std::vector<std::vector<float>>& scores, Equalization how);

}  // namespace trainyard::pruning
