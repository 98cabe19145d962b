#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace trainyard::quantization {

/// The least and the greatest value that a tensor took.
struct Range {
  float min = 0;
  float max = 0;
  bool operator==(const Range&) const = default;
};

/// What was seen of a network's activations on calibration images: all that INT8 needs beside the
/// weights. Its text form is docs/quantization.md, "The table".
struct CalibrationTable {
  /// WeightsDigest of the graph that was observed; "" when unknown.
  std::string weights_sha256;
  /// Images that were observed.
  int64_t images = 0;
  /// By tensor name. Finite, min <= max.
  std::map<std::string, Range> ranges;
  bool operator==(const CalibrationTable&) const = default;
};

/// The text form. Numbers are printed so that they come back bit for bit; equal tables give equal
/// bytes. kInvalidArgument, naming all of them, for names that hold a line break and for ranges
/// that are not finite or run backwards.
absl::StatusOr<std::string> PrintCalibrationTable(const CalibrationTable& table);

/// Parses the text form; `name` is what messages call it. Ends of lines may be CRLF.
/// kInvalidArgument with the lines that are wrong, the first 50 one by one and the count of the
/// rest; kUnimplemented for a newer version, by number, and for TensorRT's own cache format.
absl::StatusOr<CalibrationTable> ParseCalibrationTable(absl::string_view text,
                                                       absl::string_view name);

/// Reads and writes a file. Files above 64 MiB are refused (kResourceExhausted).
absl::StatusOr<CalibrationTable> LoadCalibrationTable(const std::string& path);
absl::Status SaveCalibrationTable(const CalibrationTable& table, const std::string& path);

}  // namespace trainyard::quantization
