#include "libs/data/prepared_source.h"

#include <utility>

#include "libs/base/status.h"
#include "libs/data/preprocess.h"

namespace trainyard::data {
namespace {

class PreprocessedSource final : public PreparedSource {
 public:
  PreprocessedSource(std::shared_ptr<const SampleSource> source,
                     const model::v1::Preprocess& preprocess, bool keeps_images)
      : source_(std::move(source)), preprocess_(preprocess), keeps_images_(keeps_images) {}

  int64_t size() const override { return source_->size(); }
  std::string Id(int64_t index) const override { return source_->Id(index); }
  Shape input_shape() const override {
    return {ChannelsOf(preprocess_), preprocess_.height(), preprocess_.width()};
  }

  absl::StatusOr<PreparedSample> Prepare(int64_t index, Philox&,
                                         absl::Span<float> input) const override {
    PreparedSample prepared;
    TY_ASSIGN_OR_RETURN(prepared.sample, source_->Get(index));
    Tensor& image = prepared.sample.image;
    TY_RETURN_IF_ERROR(Annotate(PreprocessImage(image, preprocess_, input), prepared.sample.id));
    prepared.size = {.width = image.dim(1), .height = image.dim(0)};
    if (!keeps_images_) image = Tensor();
    return prepared;
  }

 private:
  const std::shared_ptr<const SampleSource> source_;
  const model::v1::Preprocess preprocess_;
  const bool keeps_images_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const PreparedSource>> PreprocessOnly(
    std::shared_ptr<const SampleSource> source, const model::v1::Preprocess& preprocess,
    bool keeps_images) {
  TY_RETURN_IF_ERROR(CheckPreprocess(preprocess));
  return std::make_shared<const PreprocessedSource>(std::move(source), preprocess, keeps_images);
}

}  // namespace trainyard::data
