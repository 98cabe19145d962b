#include "libs/quantization/calibration_table.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/files.h"
#include "libs/base/problems.h"
#include "libs/base/status.h"

namespace trainyard::quantization {
namespace {

constexpr absl::string_view kMagic = "trainyard-calibration";
constexpr int kVersion = 1;
constexpr int64_t kMaxBytes = int64_t{64} << 20;
/// Wrong lines that are told one by one; the rest is counted.
constexpr size_t kMostProblems = 50;
constexpr size_t kMostShown = 60;

/// The beginning of what a file says, fit for a message whatever bytes it holds.
std::string Shown(absl::string_view text) {
  return absl::StrCat("'", absl::CHexEscape(text.substr(0, kMostShown)),
                      text.size() > kMostShown ? "...'" : "'");
}

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
        absl::StrCat(name, ": is a calibration cache of TensorRT (", Shown(line),
                     "); reading it is not offered yet, calibrate on images instead"));
  }
  absl::string_view rest = line;
  int version = 0;
  if (TakeWord(rest) != kMagic || !absl::SimpleAtoi(rest, &version) || version < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ":1: is no calibration table: it begins with ", Shown(line),
                     "; expected '", kMagic, " ", kVersion,
                     "'. Export with --data_type int8 --cal_image_dir --cal_cache_file makes one"));
  }
  if (version > kVersion) {
    return absl::UnimplementedError(absl::StrCat(name, ": is a calibration table of version ",
                                                 version, "; this program reads up to ", kVersion));
  }
  return absl::OkStatus();
}

bool IsDigest(absl::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
}

/// Reads the lines behind the first one after the other.
class TableReader {
 public:
  /// Takes one line; returns what is wrong with it, or "".
  std::string Read(absl::string_view line) {
    const absl::string_view whole = line;
    const absl::string_view word = TakeWord(line);
    if (word == "weights") {
      if (!table_.weights_sha256.empty()) return "gives 'weights' a second time";
      if (!IsDigest(line)) {
        return absl::StrCat("has the digest ", Shown(line), "; expected 64 hexadecimal digits");
      }
      table_.weights_sha256 = std::string(line);
      return "";
    }
    if (word == "images") {
      if (has_images_) return "gives 'images' a second time";
      has_images_ = true;
      if (!absl::SimpleAtoi(line, &table_.images) || table_.images < 0) {
        return absl::StrCat("counts ", Shown(line), " images; expected a number of at least 0");
      }
      return "";
    }
    if (word == "range") return ReadRange(line, whole);
    return absl::StrCat("is ", Shown(whole), "; expected 'weights', 'images' or 'range'");
  }

  CalibrationTable Take() && { return std::move(table_); }
  bool empty() const { return table_.ranges.empty(); }

 private:
  std::string ReadRange(absl::string_view line, absl::string_view whole) {
    Range range;
    if (!absl::SimpleAtof(TakeWord(line), &range.min) ||
        !absl::SimpleAtof(TakeWord(line), &range.max) || line.empty()) {
      return absl::StrCat("is ", Shown(whole), "; expected 'range MIN MAX TENSOR'");
    }
    if (absl::StrContains(line, '\r')) {
      return absl::StrCat("names the tensor ", Shown(line), ", which holds a carriage return");
    }
    const std::string problem = RangeProblem(range);
    if (!problem.empty()) return absl::StrCat("range of ", Shown(line), " ", problem);
    if (!table_.ranges.emplace(std::string(line), range).second) {
      return absl::StrCat("gives tensor ", Shown(line), " a second time");
    }
    return "";
  }

  CalibrationTable table_;
  bool has_images_ = false;
};

/// Splits off the line in front of the first line break, which may have a CR before it.
absl::string_view TakeLine(absl::string_view& text) {
  const size_t end = text.find('\n');
  absl::string_view line = text.substr(0, end);
  text = end == absl::string_view::npos ? absl::string_view() : text.substr(end + 1);
  if (absl::EndsWith(line, "\r")) line.remove_suffix(1);
  return line;
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
  // An editor's mark.
  if (absl::StartsWith(text, "\xEF\xBB\xBF")) text.remove_prefix(3);
  TY_RETURN_IF_ERROR(CheckFirstLine(TakeLine(text), name));
  TableReader reader;
  Problems problems;
  int64_t more = 0;
  for (int64_t number = 2; !text.empty(); ++number) {
    const absl::string_view line = TakeLine(text);
    if (line.empty()) continue;
    const std::string problem = reader.Read(line);
    if (problem.empty()) continue;
    if (problems.size() == kMostProblems) {
      ++more;
      continue;
    }
    problems.AddProblem({"line", problem, absl::StrCat(name, ":", number)});
  }
  if (more > 0) {
    problems.AddProblem(
        {"table", absl::StrCat("has ", more, " more lines that are wrong"), std::string(name)});
  }
  if (problems.empty() && reader.empty()) {
    problems.AddProblem({"table", "holds no range", std::string(name)});
  }
  TY_RETURN_IF_ERROR(problems.ToStatus());
  return std::move(reader).Take();
}

absl::StatusOr<CalibrationTable> LoadCalibrationTable(const std::string& path) {
  TY_ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMaxBytes));
  return ParseCalibrationTable(text, path);
}

absl::Status SaveCalibrationTable(const CalibrationTable& table, const std::string& path) {
  TY_ASSIGN_OR_RETURN(const std::string text, PrintCalibrationTable(table));
  return WriteFileAtomically(path, text);
}

}  // namespace trainyard::quantization
