#include "workers/engine-worker/calibration_images.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "libs/base/files.h"
#include "libs/base/random.h"
#include "libs/base/status.h"
#include "libs/data/image_io.h"
#include "libs/data/preprocess.h"
#include "libs/networks/registry.h"

namespace trainyard::engine_worker {
namespace {

constexpr uint64_t kSeed = 42;

// Warnings of single images; the note has the number of all.
constexpr size_t kSkippedTold = 20;

// Of u8 [height, width, 3].
bool IsOfOneColour(const Tensor& image) {
  const absl::Span<const uint8_t> values = image.data<uint8_t>();
  for (size_t i = 3; i < values.size(); ++i) {
    if (values[i] != values[i - 3]) return false;
  }
  return true;
}

// Reads the images of a feed one after the other.
class FeedReader {
 public:
  explicit FeedReader(ImageFeed feed) : feed_(std::move(feed)) {}

  absl::StatusOr<std::optional<Tensor>> NextBatch() {
    const size_t total = feed_.paths.size();
    const auto all = static_cast<int64_t>(total);
    const int64_t most = feed_.most > 0 ? std::min(feed_.most, all) : all;
    if (feed_.stop.stop_requested()) return absl::CancelledError("stopped while calibrating");
    if (feed_.progress) feed_.progress(std::min(static_cast<int64_t>(next_), most), most);
    std::vector<float> values;
    int64_t count = 0;
    for (; next_ < total && read_ < most && count < feed_.batch_size; ++next_) {
      const absl::Status read = Append(feed_.paths[next_], values);
      if (read.ok()) ++count, ++read_;
      if (!read.ok()) TY_RETURN_IF_ERROR(Skip(feed_.paths[next_], read));
    }
    if (count == 0) {
      if (feed_.ended) feed_.ended(read_, of_one_colour_);
      return std::nullopt;
    }
    Shape shape = ShapeOf(count);
    TY_ASSIGN_OR_RETURN(Tensor batch, Tensor::Create(DType::kFloat32, std::move(shape)));
    std::copy(values.begin(), values.end(), batch.data<float>().begin());
    return batch;
  }

 private:
  Shape ShapeOf(int64_t images) const {
    const model::v1::Preprocess& preprocess = feed_.preprocess;
    return {images, data::ChannelsOf(preprocess), preprocess.height(), preprocess.width()};
  }

  // On failure `values` is as before.
  absl::Status Append(const std::string& path, std::vector<float>& values) {
    TY_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path, data::kMaxImageFileBytes));
    data::ImageFacts facts;
    TY_ASSIGN_OR_RETURN(const Tensor image, data::DecodeImage(bytes, path, &facts));
    if (feed_.seen) feed_.seen(path, facts);
    const Shape shape = ShapeOf(1);
    const size_t size = static_cast<size_t>(shape[1] * shape[2] * shape[3]), before = values.size();
    values.resize(before + size);
    const absl::Status done = data::PreprocessImage(image, feed_.preprocess,
                                                    absl::MakeSpan(values).subspan(before, size));
    if (!done.ok()) values.resize(before);
    if (done.ok() && IsOfOneColour(image)) ++of_one_colour_;
    return Annotate(done, path);
  }

  absl::Status Skip(const std::string& path, const absl::Status& why) {
    ++skipped_;
    if (feed_.skipped) feed_.skipped(path, why);
    const size_t total = feed_.paths.size();
    if (skipped_ * 10 <= total) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("more than a tenth of the ", total,
                     " calibration images cannot be read, the last one: ", why.message()));
  }

  const ImageFeed feed_;
  size_t next_ = 0, skipped_ = 0;
  int64_t read_ = 0, of_one_colour_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> ChooseImages(const ModelRecord& record,
                                                      const std::string& folder, int64_t wanted,
                                                      std::vector<std::string>* notes) {
  if (wanted < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        wanted,
        " calibration images were asked for (batches times batch size); expected at least 1"));
  }
  TY_ASSIGN_OR_RETURN(std::vector<std::string> paths,
                      networks::ListImagesFor(record, folder, notes));
  const size_t count = std::min(paths.size(), static_cast<size_t>(wanted));
  if (count == paths.size()) return paths;
  Philox random(kSeed, 0, 0, RandomPurpose::kCalibration);
  for (size_t i = 0; i < count; ++i) std::swap(paths[i], paths[i + random.Below(paths.size() - i)]);
  paths.resize(count);
  return paths;
}

quantization::BatchSource Batches(ImageFeed feed) {
  return [reader = std::make_shared<FeedReader>(std::move(feed))] { return reader->NextBatch(); };
}

std::function<void(int64_t, int64_t)> WarnOfOneColour(worker::Context& context) {
  return [&context](int64_t images, int64_t of_one_colour) {
    if (of_one_colour < images || images == 0) return;
    context.Warn(absl::FailedPreconditionError(
        absl::StrCat("each of the ", images,
                     " calibration images is of one colour throughout: ranges measured "
                     "on them say nothing of others; calibrate on pictures like those that the "
                     "network will see")));
  };
}

void SkippedImages::Add(const std::string& path, const absl::Status& why) {
  if (paths_.insert(path).second && paths_.size() <= kSkippedTold) context_.Warn(why);
}

void SkippedImages::See(const std::string& path, const data::ImageFacts& facts) {
  // Calibration may read its images twice.
  if (seen_.insert(path).second) findings_.AddPicture(facts, BaseName(path));
}

void SkippedImages::RemoveFrom(std::vector<std::string>& paths) const {
  std::erase_if(paths, [this](const std::string& path) { return paths_.contains(path); });
}

void SkippedImages::NoteIn(worker::Finished& finished) const {
  if (!paths_.empty()) {
    finished.add_notes(
        absl::StrCat(paths_.size(), " calibration images could not be read and were left out"));
  }
  for (const std::string& note : findings_.Describe()) {
    finished.add_notes(absl::StrCat("calibration images: ", note));
  }
}

}  // namespace trainyard::engine_worker
