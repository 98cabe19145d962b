#include "libs/pruning/scores.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace trainyard::pruning {
namespace {

/// The scores of one channel in several layers, made one.
float MergeChannel(absl::Span<const float> scores, Equalization how) {
  const double count = static_cast<double>(scores.size());
  double sum = 0;
  switch (how) {
    case Equalization::kUnion:
      return *std::max_element(scores.begin(), scores.end());
    case Equalization::kIntersection:
      return *std::min_element(scores.begin(), scores.end());
    case Equalization::kArithmeticMean:
      for (const float score : scores) sum += score;
      return static_cast<float>(sum / count);
    case Equalization::kGeometricMean:
      for (const float score : scores) sum += std::log(double{score});
      return static_cast<float>(std::exp(sum / count));
  }
  return 0;
}

}  // namespace

absl::StatusOr<std::vector<float>> FilterNorms(const Tensor& kernel, int64_t axis) {
  if (kernel.dtype() != DType::kFloat32) {
    return absl::UnimplementedError(
        absl::StrFormat("a kernel of %s cannot be scored; expected f32", NameOf(kernel.dtype())));
  }
  if (axis < 0 || axis >= kernel.rank()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("a kernel of shape %s has no axis %d", ShapeText(kernel.shape()), axis));
  }
  int64_t inner = 1;
  for (int64_t i = axis + 1; i < kernel.rank(); ++i) inner *= kernel.dim(i);
  std::vector<double> squares(kernel.dim(axis), 0.0);
  const auto values = kernel.data<float>();
  for (int64_t i = 0; i < kernel.size(); ++i) {
    squares[i / inner % kernel.dim(axis)] += double{values[i]} * values[i];
  }
  std::vector<float> norms;
  norms.reserve(squares.size());
  for (const double square : squares) norms.push_back(static_cast<float>(std::sqrt(square)));
  return norms;
}

std::vector<float> NormalizeNorms(absl::Span<const float> norms, Normalizer normalizer,
                                  bool tao_compat) {
  float divisor = 0;
  if (normalizer == Normalizer::kMax) {
    for (const float norm : norms) divisor = std::max(divisor, norm);
  } else {
    double squares = 0;
    for (const float norm : norms) squares += double{norm} * norm;
    divisor = static_cast<float>(std::sqrt(squares));
  }
  const bool scaled = normalizer == Normalizer::kL2 && tao_compat;
  const float factor = scaled ? static_cast<float>(norms.size()) : 1.0f;
  std::vector<float> normalized(norms.size(), 0.0f);
  if (!(divisor > 0)) return normalized;
  for (size_t c = 0; c < norms.size(); ++c) normalized[c] = norms[c] / divisor * factor;
  return normalized;
}

std::vector<float> MergeScores(const std::vector<std::vector<float>>& scores, Equalization how) {
  std::vector<float> merged(scores[0].size());
  std::vector<float> channel(scores.size());
  for (size_t c = 0; c < merged.size(); ++c) {
    for (size_t i = 0; i < scores.size(); ++i) channel[i] = scores[i][c];
    merged[c] = MergeChannel(channel, how);
  }
  return merged;
}

}  // namespace trainyard::pruning
