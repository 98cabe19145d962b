#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard {

/// TFRecord framing: u64 length, u32 masked CRC-32C of the length, payload, u32 masked CRC-32C of the
/// payload, little-endian. Data sets, worker journals and TensorBoard files all use it.
std::string FrameRecord(absl::string_view payload);

/// Appends records to a file. Not thread-safe.
class RecordWriter {
 public:
  /// Creates or truncates (`append` false), or appends. kInternal or kPermissionDenied when it cannot.
  static absl::StatusOr<RecordWriter> Open(const std::string& path, bool append);
  RecordWriter(RecordWriter&& other) noexcept;
  RecordWriter& operator=(RecordWriter&&) = delete;
  ~RecordWriter();

  /// Writes one whole record with a single write call, so that a kill leaves at most one cut tail.
  absl::Status Write(absl::string_view payload);
  absl::Status Sync();
  /// Bytes written so far: the offset of the next record.
  int64_t offset() const { return offset_; }

 private:
  RecordWriter(int fd, std::string path, int64_t offset)
      : fd_(fd), path_(std::move(path)), offset_(offset) {}
  int fd_;
  std::string path_;
  int64_t offset_;
};

/// Reads records one after another. Not thread-safe.
class RecordReader {
 public:
  static absl::StatusOr<RecordReader> Open(const std::string& path, int64_t offset = 0);
  RecordReader(RecordReader&& other) noexcept;
  RecordReader& operator=(RecordReader&&) = delete;
  ~RecordReader();

  /// The next payload. kOutOfRange at the end of the file, and also at a tail that is cut short
  /// (then `cut_tail()` is true; the offset stays, so a later call sees what was appended since);
  /// kDataLoss, with path and offset, when a CRC is wrong or a length is beyond the file.
  absl::StatusOr<std::string> Next();
  int64_t offset() const { return offset_; }
  bool cut_tail() const { return cut_tail_; }

 private:
  RecordReader(int fd, std::string path, int64_t offset)
      : fd_(fd), path_(std::move(path)), offset_(offset) {}
  int fd_;
  std::string path_;
  int64_t offset_;
  bool cut_tail_ = false;
};

}  // namespace trainyard
