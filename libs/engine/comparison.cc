#include "libs/engine/comparison.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/random.h"
#include "libs/base/status.h"

namespace trainyard::engine {
namespace {

constexpr uint64_t kSeed = 42;
/// More would only make small outputs' figures steadier.
constexpr int kMadeUpImages = 4;

absl::StatusOr<Tensor> MakeUp(const std::string& name, Shape shape, int batch,
                              const quantization::CalibrationTable& table, uint64_t index) {
  shape[0] = batch;
  if (std::any_of(shape.begin(), shape.end(), [](int64_t dim) { return dim < 1; })) {
    return absl::InvalidArgumentError(absl::StrCat(
        "input '", name, "' is ", ShapeText(shape),
        ", whose size is not fixed: give calibration images (--cal_image_dir), on which "
        "INT8 can be compared, or fix the size in the graph"));
  }
  const auto found = table.ranges.find(name);
  const quantization::Range range =
      found == table.ranges.end() ? quantization::Range{-1, 1} : found->second;
  TY_ASSIGN_OR_RETURN(Tensor input, Tensor::Create(DType::kFloat32, std::move(shape)));
  Philox random(kSeed, 0, index, RandomPurpose::kCalibration);
  for (float& value : input.data<float>()) {
    value = static_cast<float>(range.min + (double{range.max} - range.min) * random.Uniform());
  }
  return input;
}

}  // namespace

absl::StatusOr<std::vector<std::vector<Tensor>>> TakeImages(const quantization::BatchSource& next) {
  std::vector<std::vector<Tensor>> batches;
  for (int64_t images = 0; images < kMostComparedImages;) {
    TY_ASSIGN_OR_RETURN(const std::optional<Tensor> batch, next());
    if (!batch.has_value()) break;
    TY_ASSIGN_OR_RETURN(Tensor some,
                        batch->Rows(0, std::min(batch->dim(0), kMostComparedImages - images)));
    images += some.dim(0);
    batches.push_back({std::move(some)});
  }
  if (batches.empty()) return absl::InvalidArgumentError("there are no images to compare on");
  return batches;
}

absl::StatusOr<std::vector<std::vector<Tensor>>> MakeUpInputs(
    const EngineRunner& runner, const quantization::CalibrationTable& table) {
  std::vector<Tensor> inputs;
  const int batch = std::min(runner.max_batch_size(), kMadeUpImages);
  for (size_t i = 0; i < runner.input_names().size(); ++i) {
    TY_ASSIGN_OR_RETURN(Tensor input,
                        MakeUp(runner.input_names()[i], runner.input_shapes()[i], batch, table, i));
    inputs.push_back(std::move(input));
  }
  return std::vector<std::vector<Tensor>>{std::move(inputs)};
}

bool IsFinite(const Tensor& tensor) {
  if (tensor.dtype() != DType::kFloat32) return true;
  const absl::Span<const float> values = tensor.data<float>();
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

std::string OutputsNotFinite(const std::vector<std::string>& names,
                             absl::Span<const std::vector<Tensor>> answers) {
  std::vector<std::string> found;
  for (size_t i = 0; i < names.size(); ++i) {
    const bool finite = std::all_of(answers.begin(), answers.end(), [i](const auto& outputs) {
      return IsFinite(outputs[i]);
    });
    if (!finite) found.push_back(absl::StrCat("'", names[i], "'"));
  }
  return absl::StrJoin(found, ", ");
}

absl::StatusOr<std::vector<quantization::SignalToNoise>> Compare(graph::GraphRunner& runner,
                                                                 const Witness& witness) {
  std::vector<quantization::SignalToNoise> sums(runner.output_names().size());
  for (size_t b = 0; b < witness.batches.size(); ++b) {
    TY_ASSIGN_OR_RETURN(const std::vector<Tensor> outputs, runner.Run(witness.batches[b]));
    for (size_t i = 0; i < sums.size(); ++i) {
      TY_RETURN_IF_ERROR(
          Annotate(quantization::AddDifference(witness.exact[b][i], outputs[i], sums[i]),
                   runner.output_names()[i]));
    }
  }
  return sums;
}

bool Agrees(const quantization::SignalToNoise& runtime,
            const quantization::SignalToNoise& as_written) {
  const double most = kMostTimesAsWritten * kMostTimesAsWritten * as_written.noise;
  const double near = kAlwaysNear * kAlwaysNear * as_written.signal;
  // Not `>` turned round: noise that is not a number agrees with nothing.
  return runtime.noise <= std::max(most, near);
}

std::vector<std::string> OutputsBelow(absl::Span<const quantization::OutputError> outputs,
                                      double bound) {
  std::vector<std::pair<double, std::string>> below;
  for (const quantization::OutputError& output : outputs) {
    if (std::isfinite(output.error.noise) && output.error.signal <= 0) continue;
    const double decibels = std::isfinite(output.error.noise) ? output.error.decibels() : -HUGE_VAL;
    if (decibels < bound) below.emplace_back(decibels, output.output);
  }
  std::stable_sort(below.begin(), below.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::string> texts;
  for (const auto& [decibels, name] : below) {
    texts.push_back(std::isfinite(decibels) ? absl::StrFormat("'%s' %.1f dB", name, decibels)
                                            : absl::StrFormat("'%s' is not finite", name));
  }
  return texts;
}

}  // namespace trainyard::engine
