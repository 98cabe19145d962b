#include "libs/base/records.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/digest.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"

namespace trainyard {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kFooterBytes = 4;
// No record of ours comes near; a larger length in a file is damage, and is not allocated.
constexpr uint64_t kMaxRecordBytes = uint64_t{1} << 31;

template <typename T>
void PutLittleEndian(T value, char* out) {
  memcpy(out, &value, sizeof(value));
}
template <typename T>
T GetLittleEndian(const char* in) {
  T value;
  memcpy(&value, in, sizeof(value));
  return value;
}

// Reads up to n bytes at an offset; fewer at the end of the file.
absl::StatusOr<size_t> ReadAt(int fd, char* out, size_t n, int64_t offset, const std::string& path) {
  size_t done = 0;
  while (done < n) {
    const ssize_t got = pread(fd, out + done, n - done, offset + static_cast<int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return absl::InternalError(absl::StrCat("cannot read '", path, "': ", strerror(errno)));
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return done;
}

}  // namespace

std::string FrameRecord(absl::string_view payload) {
  std::string frame(kHeaderBytes + payload.size() + kFooterBytes, '\0');
  PutLittleEndian<uint64_t>(payload.size(), frame.data());
  PutLittleEndian<uint32_t>(MaskedCrc32c({frame.data(), 8}), frame.data() + 8);
  if (!payload.empty()) memcpy(frame.data() + kHeaderBytes, payload.data(), payload.size());
  PutLittleEndian<uint32_t>(MaskedCrc32c(payload), frame.data() + kHeaderBytes + payload.size());
  return frame;
}

absl::StatusOr<RecordWriter> RecordWriter::Open(const std::string& path, bool append) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC);
  const absl::StatusOr<int> opened = OpenToWrite(path, flags);
  // A folder that is missing is no file that was asked for.
  if (absl::IsNotFound(opened.status())) return absl::InternalError(opened.status().message());
  TY_ASSIGN_OR_RETURN(const int fd, opened);
  struct stat info;
  fstat(fd, &info);
  return RecordWriter(fd, path, append ? info.st_size : 0);
}

RecordWriter::RecordWriter(RecordWriter&& other) noexcept
    : fd_(other.fd_), path_(std::move(other.path_)), offset_(other.offset_) {
  other.fd_ = -1;
}

RecordWriter::~RecordWriter() {
  if (fd_ >= 0) close(fd_);
}

absl::Status RecordWriter::Write(absl::string_view payload) {
  const std::string frame = FrameRecord(payload);
  absl::string_view rest = frame;
  while (!rest.empty()) {
    const ssize_t n = write(fd_, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      const std::string message = absl::StrCat("cannot write '", path_, "': ", strerror(errno));
      return errno == ENOSPC ? absl::ResourceExhaustedError(message) : absl::InternalError(message);
    }
    rest.remove_prefix(static_cast<size_t>(n));
  }
  offset_ += static_cast<int64_t>(frame.size());
  return absl::OkStatus();
}

absl::Status RecordWriter::Sync() {
  const int error = SyncDescriptor(fd_);
  return error == 0 ? absl::OkStatus() : ErrnoStatus("sync", path_, error);
}

absl::StatusOr<RecordReader> RecordReader::Open(const std::string& path, int64_t offset) {
  TY_ASSIGN_OR_RETURN(const int fd, OpenRegularFile(path));
  return RecordReader(fd, path, offset);
}

RecordReader::RecordReader(RecordReader&& other) noexcept
    : fd_(other.fd_), path_(std::move(other.path_)), offset_(other.offset_),
      cut_tail_(other.cut_tail_) {
  other.fd_ = -1;
}

RecordReader::~RecordReader() {
  if (fd_ >= 0) close(fd_);
}

absl::StatusOr<std::string> RecordReader::Next() {
  cut_tail_ = false;
  char header[kHeaderBytes];
  TY_ASSIGN_OR_RETURN(const size_t got, ReadAt(fd_, header, kHeaderBytes, offset_, path_));
  if (got < kHeaderBytes) {
    cut_tail_ = got > 0;
    return absl::OutOfRangeError("end of records");
  }
  const auto length = GetLittleEndian<uint64_t>(header);
  const auto damage = [this](absl::string_view what) {
    return absl::DataLossError(
        absl::StrFormat("'%s': record at byte %d: %s", path_, offset_, what));
  };
  if (GetLittleEndian<uint32_t>(header + 8) != MaskedCrc32c({header, 8})) {
    return damage("the CRC of its length is wrong");
  }
  if (length > kMaxRecordBytes) return damage(absl::StrCat("it claims ", length, " bytes"));
  struct stat info;
  if (fstat(fd_, &info) != 0) return damage("cannot be examined");
  const int64_t end = offset_ + static_cast<int64_t>(kHeaderBytes + length + kFooterBytes);
  if (end > info.st_size) {
    cut_tail_ = true;
    return absl::OutOfRangeError("end of records");
  }
  std::string payload(length + kFooterBytes, '\0');
  const int64_t start = offset_ + static_cast<int64_t>(kHeaderBytes);
  TY_ASSIGN_OR_RETURN(const size_t body, ReadAt(fd_, payload.data(), payload.size(), start, path_));
  if (body < payload.size()) return damage("it is cut short");
  const auto crc = GetLittleEndian<uint32_t>(payload.data() + length);
  payload.resize(length);
  if (crc != MaskedCrc32c(payload)) return damage("the CRC of its content is wrong");
  offset_ = end;
  return payload;
}

}  // namespace trainyard
