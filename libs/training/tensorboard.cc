#include "libs/training/tensorboard.h"

#include <unistd.h>

#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "libs/base/files.h"
#include "libs/base/status.h"

namespace trainyard::training {
namespace {

// Protobuf's wire types.
enum WireType { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void PutVarint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void PutTag(std::string& out, int field, WireType type) {
  PutVarint(out, static_cast<uint64_t>(field) << 3 | type);
}

template <typename T>
void PutFixed(std::string& out, int field, WireType type, T value) {
  PutTag(out, field, type);
  std::array<char, sizeof(T)> bytes;
  std::memcpy(bytes.data(), &value, sizeof(T));
  out.append(bytes.data(), bytes.size());
}

void PutInt(std::string& out, int field, int64_t value) {
  PutTag(out, field, kVarint);
  PutVarint(out, static_cast<uint64_t>(value));
}

void PutBytes(std::string& out, int field, absl::string_view bytes) {
  PutTag(out, field, kBytes);
  PutVarint(out, bytes.size());
  out.append(bytes.data(), bytes.size());
}

std::string EventOf(double wall_time, int64_t step, absl::string_view summary_value) {
  std::string summary, event;
  PutBytes(summary, 1, summary_value);
  PutFixed(event, 1, kFixed64, wall_time);
  PutInt(event, 2, step);
  PutBytes(event, 5, summary);
  return event;
}

double Now() { return absl::ToDoubleSeconds(absl::Now() - absl::UnixEpoch()); }

std::string HostName() {
  std::array<char, 256> name{};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "localhost";
}

}  // namespace

std::string FileVersionEvent(double wall_time) {
  std::string event;
  PutFixed(event, 1, kFixed64, wall_time);
  PutBytes(event, 3, "brain.Event:2");
  return event;
}

std::string ScalarEvent(double wall_time, int64_t step, absl::string_view tag, float value) {
  std::string summary_value;
  PutBytes(summary_value, 1, tag);
  PutFixed(summary_value, 2, kFixed32, value);
  return EventOf(wall_time, step, summary_value);
}

std::string ImageEvent(double wall_time, int64_t step, absl::string_view tag, int64_t width,
                       int64_t height, absl::string_view png) {
  constexpr int kRgb = 3;
  std::string image, summary_value;
  PutInt(image, 1, height);
  PutInt(image, 2, width);
  PutInt(image, 3, kRgb);
  PutBytes(image, 4, png);
  PutBytes(summary_value, 1, tag);
  PutBytes(summary_value, 4, image);
  return EventOf(wall_time, step, summary_value);
}

absl::StatusOr<TensorBoardWriter> TensorBoardWriter::Create(const std::string& folder,
                                                            absl::Time now) {
  TY_RETURN_IF_ERROR(MakeFolders(folder));
  const std::string path =
      JoinPath(folder, absl::StrFormat("events.out.tfevents.%010d.%s.%d.0",
                                       absl::ToUnixSeconds(now), HostName(), getpid()));
  TY_ASSIGN_OR_RETURN(RecordWriter writer, RecordWriter::Open(path, /*append=*/false));
  TY_RETURN_IF_ERROR(writer.Write(FileVersionEvent(Now())));
  return TensorBoardWriter(std::move(writer));
}

absl::Status TensorBoardWriter::Scalar(int64_t step, absl::string_view tag, double value) {
  return writer_->Write(ScalarEvent(Now(), step, tag, static_cast<float>(value)));
}

absl::Status TensorBoardWriter::Image(int64_t step, absl::string_view tag, int64_t width,
                                      int64_t height, absl::string_view png) {
  return writer_->Write(ImageEvent(Now(), step, tag, width, height, png));
}

}  // namespace trainyard::training
