#include "libs/tasks/infer.h"

#include <memory>
#include <mutex>
#include <utility>

#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/prepared_source.h"
#include "libs/data/sample.h"

namespace trainyard::tasks {
namespace {

// Image files as samples without truth.
class ImageFiles final : public data::SampleSource {
 public:
  explicit ImageFiles(absl::Span<const std::string> paths) : paths_(paths) {}

  int64_t size() const override { return static_cast<int64_t>(paths_.size()); }
  std::string Id(int64_t index) const override { return paths_[static_cast<size_t>(index)]; }
  absl::StatusOr<data::Sample> Get(int64_t index) const override {
    const std::string& path = paths_[static_cast<size_t>(index)];
    TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, data::kMaxImageFileBytes));
    data::ImageFacts facts;
    TY_ASSIGN_OR_RETURN(Tensor image, data::DecodeImage(bytes, path, &facts));
    const std::lock_guard<std::mutex> lock(mutex_);
    findings_.AddPicture(facts, BaseName(path));
    return data::Sample{.id = path, .image = std::move(image), .truth = nullptr};
  }

  // Once nobody reads any more.
  data::Findings TakeFindings() { return std::move(findings_); }

 private:
  const absl::Span<const std::string> paths_;
  mutable std::mutex mutex_;
  mutable data::Findings findings_;  // Guarded.
};

}  // namespace

absl::StatusOr<InferenceResult> Infer(graph::GraphRunner& runner,
                                      const model::v1::Preprocess& preprocess,
                                      PredictionWriter& writer,
                                      absl::Span<const std::string> image_paths,
                                      const RunOptions& options) {
  TY_RETURN_IF_ERROR(CheckRun(options));
  const auto images = std::make_shared<ImageFiles>(image_paths);
  TY_ASSIGN_OR_RETURN(auto prepared,
                      data::PreprocessOnly(images, preprocess, writer.needs_images()));
  TY_ASSIGN_OR_RETURN(NetworkCall network, NetworkCall::Create(runner, writer.output_names()));
  InferenceResult result;
  TY_RETURN_IF_ERROR(writer.Open(image_paths, result.findings));
  TY_ASSIGN_OR_RETURN(result.run,
                      RunImages(network, std::move(prepared), options, "inference",
                                [&](data::Batch& batch, absl::Span<const Tensor> outputs) {
                                  return writer.Write(batch, outputs);
                                }));
  TY_RETURN_IF_ERROR(writer.Finish());
  result.findings.Merge(images->TakeFindings());
  return result;
}

}  // namespace trainyard::tasks
