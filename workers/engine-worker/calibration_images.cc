#include "workers/engine-worker/calibration_images.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/files.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/preprocess.h"
#include "libs/detection/evaluator.h"

namespace trainyard::engine_worker {
namespace {

constexpr uint64_t kSeed = 42;

absl::StatusOr<Tensor> LoadBatch(const ImageFeed& feed, size_t begin, size_t end) {
  const model::v1::Preprocess& preprocess = feed.preprocess;
  const int64_t count = static_cast<int64_t>(end - begin);
  TY_ASSIGN_OR_RETURN(Tensor batch,
                      Tensor::Create(DType::kFloat32, {count, ChannelsOf(preprocess),
                                                       preprocess.height(), preprocess.width()}));
  const size_t size = static_cast<size_t>(batch.size() / count);
  for (size_t i = begin; i < end; ++i) {
    const std::string& path = feed.paths[i];
    TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, kMaxImageFileBytes));
    TY_ASSIGN_OR_RETURN(const Tensor image, DecodeImage(bytes, path));
    TY_RETURN_IF_ERROR(Annotate(
        PreprocessImage(image, preprocess, batch.data<float>().subspan((i - begin) * size, size)),
        path));
  }
  return batch;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ChooseImages(const std::string& folder, int64_t wanted) {
  if (wanted < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        wanted,
        " calibration images were asked for (batches times batch size); expected at least 1"));
  }
  TY_ASSIGN_OR_RETURN(std::vector<std::string> paths, ListImages(folder));
  const size_t count = std::min(paths.size(), static_cast<size_t>(wanted));
  if (count == paths.size()) return paths;
  Philox random(kSeed, 0, 0, RandomPurpose::kCalibration);
  for (size_t i = 0; i < count; ++i) std::swap(paths[i], paths[i + random.Below(paths.size() - i)]);
  paths.resize(count);
  return paths;
}

BatchSource Batches(ImageFeed feed) {
  auto shared = std::make_shared<const ImageFeed>(std::move(feed));
  return [shared, next = size_t{0}]() mutable -> absl::StatusOr<std::optional<Tensor>> {
    const size_t total = shared->paths.size();
    if (shared->stop.stop_requested()) return absl::CancelledError("stopped while calibrating");
    if (shared->progress) shared->progress(static_cast<int64_t>(next), static_cast<int64_t>(total));
    if (next == total) return std::nullopt;
    const size_t end = std::min(total, next + static_cast<size_t>(shared->batch_size));
    TY_ASSIGN_OR_RETURN(Tensor batch, LoadBatch(*shared, next, end));
    next = end;
    return batch;
  };
}

}  // namespace trainyard::engine_worker
