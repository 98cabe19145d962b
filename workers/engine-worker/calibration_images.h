#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/data/findings.h"
#include "libs/data/image_io.h"
#include "libs/quantization/calibration.h"
#include "libs/model/model.h"
#include "libs/worker/runtime.h"
#include "trainyard/model/v1/model_record.pb.h"

namespace trainyard::engine_worker {

/// Which images of a folder calibration of the record's network uses: `wanted` of them without repetition, chosen by
/// Philox(42, kCalibration) over their sorted names; all of them, sorted, when there are no more.
/// Equal folders give equal choices. kNotFound and kFailedPrecondition as ListImagesFor: nothing
/// random ever stands in for images. kInvalidArgument when `wanted` is below 1.
/// `notes`, when given, gets ListImagesFor's lines.
absl::StatusOr<std::vector<std::string>> ChooseImages(const ModelRecord& record,
                                                      const std::string& folder, int64_t wanted,
                                                      std::vector<std::string>* notes = nullptr);

/// Feeds image files through the model's own preprocessing.
struct ImageFeed {
  std::vector<std::string> paths;
  model::v1::Preprocess preprocess;
  /// Images of a batch. >= 1.
  int batch_size = 1;
  std::stop_token stop;
  /// After each batch.
  std::function<void(int64_t done, int64_t total)> progress;
  /// Called with an image that cannot be read, which is left out.
  std::function<void(const std::string& path, const absl::Status& why)> skipped;
  /// Called with an image that was read and what there is to tell of it.
  std::function<void(const std::string& path, const data::ImageFacts& facts)> seen;
  /// Called once behind the last image, with the images that were read and those of them that are
  /// of one colour throughout.
  std::function<void(int64_t images, int64_t of_one_colour)> ended;
  /// Images that are enough; 0 = all.
  int64_t most = 0;
};

/// Batches of the feed in order, f32 [n, c, h, w]; the last may be smaller. Images that cannot be
/// read are left out; kDataLoss, with the last of them, when they are more than a tenth of all.
/// Ends once there were `most`; with kCancelled once a stop is asked for.
quantization::BatchSource Batches(ImageFeed feed);

/// For ImageFeed::ended: warns when all images are of one colour each, which is no calibration.
std::function<void(int64_t, int64_t)> WarnOfOneColour(worker::Context& context);

/// Tells of images that were left out: warnings of the job for the first ones, and their number; and
/// of those that were turned upright. Not thread-safe; the context outlives it.
class SkippedImages {
 public:
  explicit SkippedImages(worker::Context& context) : context_(context) {}
  /// For ImageFeed::skipped.
  void Add(const std::string& path, const absl::Status& why);
  /// For ImageFeed::seen.
  void See(const std::string& path, const data::ImageFacts& facts);
  /// Takes them out of `paths`, so that nobody tries them again.
  void RemoveFrom(std::vector<std::string>& paths) const;
  /// Adds a note with their number when there are any.
  void NoteIn(worker::Finished& finished) const;

 private:
  worker::Context& context_;
  std::set<std::string> paths_;
  std::set<std::string> seen_;
  data::Findings findings_;
};

}  // namespace trainyard::engine_worker
