#include "libs/data/box_source.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/data/box_truth.h"
#include "libs/data/preprocess.h"

namespace trainyard::data {
namespace {

class BoxSource final : public PreparedSource {
 public:
  BoxSource(std::shared_ptr<const SampleSource> source, BoxPreparation preparation)
      : source_(std::move(source)), preparation_(std::move(preparation)) {}

  int64_t size() const override { return source_->size(); }
  std::string Id(int64_t index) const override { return source_->Id(index); }
  Shape input_shape() const override {
    const model::v1::Preprocess& preprocess = preparation_.preprocess;
    return {ChannelsOf(preprocess), preprocess.height(), preprocess.width()};
  }

  absl::StatusOr<PreparedSample> Prepare(int64_t index, Philox& random,
                                         absl::Span<float> input) const override {
    PreparedSample prepared;
    TY_ASSIGN_OR_RETURN(prepared.sample, source_->Get(index));
    Sample& sample = prepared.sample;
    prepared.size = {.width = sample.image.dim(1), .height = sample.image.dim(0)};
    TY_ASSIGN_OR_RETURN(std::vector<LabelledBox> boxes,
                        FillInput(sample, prepared.size, random, input));
    if (preparation_.encode) {
      TY_ASSIGN_OR_RETURN(prepared.targets, preparation_.encode(boxes));
    }
    prepared.seen = TruthOf(std::move(boxes));
    sample.image = Tensor();
    return prepared;
  }

 private:
  // Returns the boxes in pixels of the input.
  absl::StatusOr<std::vector<LabelledBox>> FillInput(const Sample& sample, ImageSize size,
                                                     Philox& random,
                                                     absl::Span<float> input) const {
    const model::v1::Preprocess& preprocess = preparation_.preprocess;
    const std::vector<LabelledBox>& boxes = BoxesOf(sample.truth.get());
    if (!preparation_.augmentation) {
      TY_RETURN_IF_ERROR(PreprocessImage(sample.image, preprocess, input));
      return BoxesToInput(boxes, size, preprocess);
    }
    TY_ASSIGN_OR_RETURN(AugmentedImage augmented,
                        AugmentImage(sample.image, boxes, *preparation_.augmentation,
                                     preprocess.width(), preprocess.height(), random));
    TY_RETURN_IF_ERROR(PreprocessImage(augmented.image, preprocess, input));
    return std::move(augmented.boxes);
  }

  const std::shared_ptr<const SampleSource> source_;
  const BoxPreparation preparation_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const PreparedSource>> PrepareBoxes(
    std::shared_ptr<const SampleSource> source, BoxPreparation preparation) {
  TY_RETURN_IF_ERROR(CheckPreprocess(preparation.preprocess));
  if (preparation.preprocess.resize() != model::v1::Preprocess::STRETCH) {
    return absl::UnimplementedError(
        "preprocess.resize is CENTER_CROP; boxes move with STRETCH alone");
  }
  if (preparation.augmentation) TY_RETURN_IF_ERROR(CheckAugmentation(*preparation.augmentation));
  return std::make_shared<const BoxSource>(std::move(source), std::move(preparation));
}

}  // namespace trainyard::data
