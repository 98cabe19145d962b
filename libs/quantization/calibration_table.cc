#include "libs/quantization/calibration_table.h"

#include <cmath>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"

namespace trainyard {
namespace {

constexpr absl::string_view kMagic = "trainyard-calibration";
constexpr int kVersion = 1;
constexpr int64_t kMaxBytes = int64_t{64} << 20;

/// What is wrong with a range, or "".
std::string RangeProblem(const Range& range) {
  if (!std::isfinite(range.min) || !std::isfinite(range.max)) {
    return absl::StrFormat("is [%g, %g]; expected finite numbers", range.min, range.max);
  }
  if (range.min > range.max) {
    return absl::StrFormat("is [%g, %g]; expected the smaller number first", range.min, range.max);
  }
  return "";
}

/// Splits off the word in front of the first blank.
absl::string_view TakeWord(absl::string_view& rest) {
  const size_t end = rest.find(' ');
  const absl::string_view word = rest.substr(0, end);
  rest = end == absl::string_view::npos ? absl::string_view() : rest.substr(end + 1);
  return word;
}

absl::Status CheckFirstLine(absl::string_view line, absl::string_view name) {
  if (absl::StartsWith(line, "TRT-")) {
    return absl::UnimplementedError(
        absl::StrCat(name, ": is a calibration cache of TensorRT ('", line.substr(0, 40),
                     "'); reading it is not offered yet, calibrate on images instead"));
  }
  absl::string_view rest = line;
  int version = 0;
  if (TakeWord(rest) != kMagic || !absl::SimpleAtoi(rest, &version) || version < 1) {
    return absl::InvalidArgumentError(absl::StrCat(name, ":1: begins with '", line.substr(0, 40),
                                                   "'; expected '", kMagic, " ", kVersion, "'"));
  }
  if (version > kVersion) {
    return absl::UnimplementedError(absl::StrCat(name, ": is a calibration table of version ",
                                                 version, "; this program reads up to ", kVersion));
  }
  return absl::OkStatus();
}

/// Reads one line behind the first into `table`; returns what is wrong with it, or "".
std::string ReadLine(absl::string_view line, CalibrationTable& table) {
  const absl::string_view whole = line;
  const absl::string_view word = TakeWord(line);
  if (word == "weights") {
    if (line.size() != 64) return absl::StrCat("has the digest '", line, "'; expected 64 letters");
    table.weights_sha256 = std::string(line);
    return "";
  }
  if (word == "images") {
    if (!absl::SimpleAtoi(line, &table.images) || table.images < 0) {
      return absl::StrCat("counts '", line, "' images; expected a number of at least 0");
    }
    return "";
  }
  if (word != "range") {
    return absl::StrCat("is '", whole.substr(0, 60), "'; expected 'weights', 'images' or 'range'");
  }
  Range range;
  if (!absl::SimpleAtof(TakeWord(line), &range.min) ||
      !absl::SimpleAtof(TakeWord(line), &range.max) || line.empty()) {
    return absl::StrCat("is '", whole.substr(0, 60), "'; expected 'range MIN MAX TENSOR'");
  }
  const std::string problem = RangeProblem(range);
  if (!problem.empty()) return absl::StrCat("range of '", line, "' ", problem);
  if (!table.ranges.emplace(std::string(line), range).second) {
    return absl::StrCat("gives tensor '", line, "' a second time");
  }
  return "";
}

}  // namespace

absl::StatusOr<std::string> PrintCalibrationTable(const CalibrationTable& table) {
  Problems problems;
  std::string text = absl::StrCat(kMagic, " ", kVersion, "\n");
  if (!table.weights_sha256.empty()) absl::StrAppend(&text, "weights ", table.weights_sha256, "\n");
  absl::StrAppend(&text, "images ", table.images, "\n");
  for (const auto& [name, range] : table.ranges) {
    const std::string problem = RangeProblem(range);
    if (!problem.empty()) problems.AddProblem({absl::StrCat("range of '", name, "'"), problem, ""});
    if (name.empty() || name.find_first_of("\r\n") != std::string::npos) {
      problems.Add("tensor name", "'%s' is empty or holds a line break", name);
    }
    absl::StrAppendFormat(&text, "range %.9g %.9g %s\n", range.min, range.max, name);
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return text;
}

absl::StatusOr<CalibrationTable> ParseCalibrationTable(absl::string_view text,
                                                       absl::string_view name) {
  const std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  TY_RETURN_IF_ERROR(CheckFirstLine(lines[0], name));
  CalibrationTable table;
  Problems problems;
  for (size_t i = 1; i < lines.size(); ++i) {
    if (lines[i].empty()) continue;
    const std::string problem = ReadLine(lines[i], table);
    if (problem.empty()) continue;
    problems.AddProblem({"line", problem, absl::StrCat(name, ":", i + 1)});
  }
  if (problems.empty() && table.ranges.empty()) {
    problems.AddProblem({"table", "holds no range", std::string(name)});
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return table;
}

absl::StatusOr<CalibrationTable> LoadCalibrationTable(const std::string& path) {
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  return ParseCalibrationTable(text, path);
}

absl::Status SaveCalibrationTable(const CalibrationTable& table, const std::string& path) {
  TY_ASSIGN_OR_RETURN(const std::string text, PrintCalibrationTable(table));
  return WriteFileAtomically(path, text);
}

}  // namespace trainyard
