#include "libs/tasks/classification/classifier_head.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/printable.h"
#include "libs/base/status.h"

namespace trainyard::tasks {
namespace {

// How far rounding, of an engine in FP16 too, takes a probability out of [0, 1].
constexpr float kRounding = 1e-3f;

void Softmax(absl::Span<const float> logits, absl::Span<float> probabilities) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  std::vector<double> powers(logits.size());
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) sum += powers[i] = std::exp(logits[i] - largest);
  for (size_t i = 0; i < logits.size(); ++i) {
    probabilities[i] = static_cast<float>(powers[i] / sum);
  }
}

class OneOutputHead final : public ClassifierHead {
 public:
  OneOutputHead(std::string output, int classes, bool output_is_probabilities)
      : output_(std::move(output)),
        classes_(classes),
        output_is_probabilities_(output_is_probabilities) {}

  std::vector<std::string> output_names() const override { return {output_}; }

  absl::StatusOr<Tensor> Probabilities(absl::Span<const Tensor> outputs) const override {
    if (outputs.size() != 1) {
      return absl::InternalError(absl::StrCat("the classifier's head was given ", outputs.size(),
                                              " outputs; expected '", output_, "' alone"));
    }
    const Tensor& given = outputs[0];
    if (given.dtype() != DType::kFloat32 || given.rank() != 2 || given.dim(1) != classes_ ||
        classes_ < 1) {
      return absl::InternalError(absl::StrCat("output '", output_, "' is ", NameOf(given.dtype()),
                                              " ", ShapeText(given.shape()),
                                              "; expected f32 [images, ", classes_, "]"));
    }
    if (output_is_probabilities_) return given;
    Tensor probabilities = Tensor::Zeros(DType::kFloat32, given.shape());
    const auto width = static_cast<size_t>(classes_);
    for (size_t row = 0; row < static_cast<size_t>(given.dim(0)); ++row) {
      Softmax(given.data<float>().subspan(row * width, width),
              probabilities.data<float>().subspan(row * width, width));
    }
    return probabilities;
  }

 private:
  const std::string output_;
  const int classes_;
  const bool output_is_probabilities_;
};

}  // namespace

absl::StatusOr<const ClassifierHead*> ClassifierHeadOf(const Head& head) {
  const auto* classifier = dynamic_cast<const ClassifierHead*>(&head);
  if (classifier == nullptr) {
    return absl::InternalError("the network's head tells no probabilities of classes");
  }
  return classifier;
}

std::unique_ptr<ClassifierHead> MakeClassifierHead(std::string output, int classes,
                                                   bool output_is_probabilities) {
  return std::make_unique<OneOutputHead>(std::move(output), classes, output_is_probabilities);
}

absl::StatusOr<Tensor> CheckedProbabilities(const ClassifierHead& head, const data::Batch& batch,
                                            absl::Span<const Tensor> outputs, int64_t classes) {
  TY_ASSIGN_OR_RETURN(Tensor probabilities, head.Probabilities(outputs));
  const auto images = static_cast<int64_t>(batch.samples.size());
  if (probabilities.dtype() != DType::kFloat32 || probabilities.shape() != Shape{images, classes}) {
    return absl::InternalError(absl::StrCat("the probabilities are ", NameOf(probabilities.dtype()),
                                            " ", ShapeText(probabilities.shape()),
                                            "; expected f32 ", ShapeText(Shape{images, classes})));
  }
  const absl::Span<const float> values = std::as_const(probabilities).data<float>();
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] >= -kRounding && values[i] <= 1 + kRounding) continue;
    return absl::FailedPreconditionError(
        absl::StrFormat("%s: the network tells a probability of %g for class %d; expected 0 to 1: "
                        "its numbers overflow, "
                        "so go on from an earlier checkpoint, or compute with more bits",
                        Shown(batch.samples[i / static_cast<size_t>(classes)].sample.id, 200),
                        values[i], i % static_cast<size_t>(classes)));
  }
  return probabilities;
}

int BestClass(absl::Span<const float> probabilities) {
  return static_cast<int>(std::max_element(probabilities.begin(), probabilities.end()) -
                          probabilities.begin());
}

}  // namespace trainyard::tasks
