#include "libs/report/curves.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/base/csv.h"

namespace trainyard::report {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

double NumberOrNan(absl::string_view text) {
  double value = 0;
  return absl::SimpleAtod(text, &value) ? value : std::nan("");
}

std::vector<double> Numbers(const Struct& object, const std::string& name) {
  std::vector<double> numbers;
  const auto found = object.fields().find(name);
  if (found == object.fields().end()) return numbers;
  for (const Value& value : found->second.list_value().values()) {
    numbers.push_back(value.has_number_value() ? value.number_value() : std::nan(""));
  }
  return numbers;
}

}  // namespace

absl::StatusOr<std::vector<Series>> ParseTrainingLog(absl::string_view csv) {
  std::vector<Series> series;
  int line_number = 0;
  for (absl::string_view line : absl::StrSplit(csv, '\n')) {
    ++line_number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    const std::vector<std::string> cells = SplitCsv(line);
    if (series.empty()) {
      for (const std::string& cell : cells) series.push_back({.name = cell});
      continue;
    }
    if (cells.size() != series.size()) {
      return absl::InvalidArgumentError(absl::StrCat("line ", line_number, " has ", cells.size(),
                                                     " columns; the header has ", series.size()));
    }
    const double epoch = NumberOrNan(cells[0]);
    for (size_t i = 1; i < cells.size(); ++i) {
      series[i].points.emplace_back(epoch, NumberOrNan(cells[i]));
    }
  }
  if (!series.empty()) series.erase(series.begin());
  return series;
}

absl::StatusOr<std::vector<Series>> ParsePrCurves(absl::string_view json) {
  Struct results;
  const auto status = google::protobuf::util::JsonStringToMessage(std::string(json), &results);
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("is no JSON: ", std::string(status.message())));
  }
  std::vector<Series> series;
  const auto curves = results.fields().find("pr_curves");
  if (curves == results.fields().end()) return series;
  for (const auto& [name, curve] : curves->second.struct_value().fields()) {
    const std::vector<double> recall = Numbers(curve.struct_value(), "recall");
    const std::vector<double> precision = Numbers(curve.struct_value(), "precision");
    Series line{.name = name};
    for (size_t i = 0; i < std::min(recall.size(), precision.size()); ++i) {
      line.points.emplace_back(recall[i], precision[i]);
    }
    series.push_back(std::move(line));
  }
  // The fields of a Struct have no order of their own.
  std::sort(series.begin(), series.end(),
            [](const Series& a, const Series& b) { return a.name < b.name; });
  return series;
}

}  // namespace trainyard::report
