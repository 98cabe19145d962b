#include "libs/quantization/calibration.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"

namespace trainyard::quantization {
namespace {

constexpr int kInput = -1;

/// Where each tensor of `names` comes from: an index of the runner's outputs, or kInput.
absl::StatusOr<std::vector<int>> FindSources(const graph::GraphRunner& runner,
                                             absl::Span<const std::string> names) {
  const std::vector<std::string>& outputs = runner.output_names();
  std::vector<int> sources;
  Problems problems;
  for (const std::string& name : names) {
    const auto found = std::find(outputs.begin(), outputs.end(), name);
    if (found != outputs.end()) {
      sources.push_back(static_cast<int>(found - outputs.begin()));
    } else if (name == runner.input_names()[0]) {
      sources.push_back(kInput);
    } else {
      problems.Add("tensor", "'%s' is no output of the network that runs%s", name,
                   DidYouMean(name, outputs));
    }
  }
  TY_RETURN_IF_ERROR(problems.ToStatus(absl::StatusCode::kNotFound));
  return sources;
}

}  // namespace

absl::Status RangeObserver::Observe(const std::string& name, const Tensor& tensor) {
  if (tensor.dtype() != DType::kFloat32 || tensor.size() == 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor '", name, "' is ", NameOf(tensor.dtype()), " ",
                     ShapeText(tensor.shape()), "; expected f32 with at least one element"));
  }
  const absl::Span<const float> values = tensor.data<float>();
  float low = values[0], high = values[0];
  bool finite = true;
  for (const float value : values) {
    finite &= std::isfinite(value);
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (!finite) {
    return absl::InvalidArgumentError(
        absl::StrCat("tensor '", name, "' holds values that are not finite"));
  }
  const auto [entry, is_new] = ranges_.emplace(name, Range{low, high});
  if (!is_new) {
    entry->second.min = std::min(entry->second.min, low);
    entry->second.max = std::max(entry->second.max, high);
  }
  return absl::OkStatus();
}

absl::StatusOr<CalibrationTable> Calibrate(graph::GraphRunner& runner,
                                           absl::Span<const std::string> names,
                                           const BatchSource& next) {
  if (runner.input_names().size() != 1) {
    return absl::InvalidArgumentError(absl::StrCat("the network has ", runner.input_names().size(),
                                                   " inputs; calibration expects one"));
  }
  TY_ASSIGN_OR_RETURN(const std::vector<int> sources, FindSources(runner, names));
  RangeObserver observer;
  CalibrationTable table;
  for (int64_t batch = 0;; ++batch) {
    TY_ASSIGN_OR_RETURN(const std::optional<Tensor> images, next());
    if (!images.has_value()) break;
    TY_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, runner.Run({*images}));
    for (size_t i = 0; i < names.size(); ++i) {
      const Tensor& tensor = sources[i] == kInput ? *images : outputs[sources[i]];
      TY_RETURN_IF_ERROR(
          Annotate(observer.Observe(names[i], tensor), absl::StrCat("calibration batch ", batch)));
    }
    table.images += images->dim(0);
  }
  if (table.images == 0) {
    return absl::InvalidArgumentError("there are no images to calibrate on");
  }
  table.ranges = observer.ranges();
  return table;
}

}  // namespace trainyard::quantization
