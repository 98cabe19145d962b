#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/records.h"

namespace trainyard::training {

/// The bytes of TensorBoard's Event messages (conventions, section 9). Pure.
std::string FileVersionEvent(double wall_time);
std::string ScalarEvent(double wall_time, int64_t step, absl::string_view tag, float value);
/// `png` is an encoded picture of `width` x `height` pixels.
std::string ImageEvent(double wall_time, int64_t step, absl::string_view tag, int64_t width,
                       int64_t height, absl::string_view png);

/// Appends events to one file of this process below `folder`. Not thread-safe.
class TensorBoardWriter {
 public:
  /// Makes the folder and `events.out.tfevents.<seconds>.<host>.<pid>.0` in it.
  static absl::StatusOr<TensorBoardWriter> Create(const std::string& folder, absl::Time now);

  absl::Status Scalar(int64_t step, absl::string_view tag, double value);
  absl::Status Image(int64_t step, absl::string_view tag, int64_t width, int64_t height,
                     absl::string_view png);

 private:
  explicit TensorBoardWriter(RecordWriter writer)
      : writer_(std::make_unique<RecordWriter>(std::move(writer))) {}
  std::unique_ptr<RecordWriter> writer_;
};

}  // namespace trainyard::training
