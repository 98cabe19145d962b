#include "libs/tasks/infer.h"

#include <mutex>
#include <utility>

#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"

namespace trainyard {
namespace {

// Reads images for several threads.
class ImageReader {
 public:
  explicit ImageReader(absl::Span<const std::string> paths) : paths_(paths) {}

  absl::StatusOr<Sample> Read(int64_t index) {
    const std::string& path = paths_[static_cast<size_t>(index)];
    TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxImageFileBytes));
    ImageFacts facts;
    TY_ASSIGN_OR_RETURN(Tensor image, DecodeImage(bytes, path, &facts));
    const std::lock_guard<std::mutex> lock(mutex_);
    findings_.AddPicture(facts, BaseName(path));
    return Sample{.id = path, .image = std::move(image)};
  }

  // Once nobody reads any more.
  Findings TakeFindings() { return std::move(findings_); }

 private:
  const absl::Span<const std::string> paths_;
  std::mutex mutex_;
  Findings findings_;  // Guarded.
};

}  // namespace

absl::StatusOr<InferenceResult> Infer(GraphRunner& runner, const model::v1::Preprocess& preprocess,
                                      PredictionWriter& writer,
                                      absl::Span<const std::string> image_paths,
                                      const RunOptions& options) {
  TY_RETURN_IF_ERROR(CheckRun(preprocess, options));
  TY_ASSIGN_OR_RETURN(NetworkCall network, NetworkCall::Create(runner, writer.output_names()));
  InferenceResult result;
  TY_RETURN_IF_ERROR(writer.Open(image_paths, result.findings));
  ImageReader images(image_paths);
  TY_ASSIGN_OR_RETURN(
      result.run,
      RunImages(network, preprocess, static_cast<int64_t>(image_paths.size()),
                [&](int64_t index) { return images.Read(index); }, writer.needs_images(), options,
                "inference", [&](InputBatch& batch, absl::Span<const Tensor> outputs) {
                  return writer.Write(batch, outputs);
                }));
  result.findings.Merge(images.TakeFindings());
  return result;
}

}  // namespace trainyard
