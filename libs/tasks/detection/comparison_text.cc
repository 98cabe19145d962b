#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/json.h"
#include "libs/base/printable.h"
#include "libs/tasks/detection/compare.h"

namespace trainyard::tasks {
namespace {

std::string JsonOf(const ComparedNumber& one) {
  JsonMembers members = {{"name", JsonText(one.name)}};
  const auto add = [&members](const char* name, double value,
                              const std::optional<Interval>& interval) {
    members.emplace_back(name, JsonNumber(value));
    if (interval) members.emplace_back(absl::StrCat(name, "_interval"), JsonOf(*interval));
  };
  add("a", one.a, one.a_interval);
  add("b", one.b, one.b_interval);
  add("difference", one.difference(), one.difference_interval);
  if (one.difference_interval) members.emplace_back("differs", one.differs() ? "true" : "false");
  return JsonObject(members);
}

std::string Cell(double value, const std::optional<Interval>& interval, bool with_sign) {
  if (std::isnan(value)) return "-";
  const auto number = [with_sign](double one) {
    return with_sign ? absl::StrFormat("%+.4f", one) : absl::StrFormat("%.4f", one);
  };
  if (!interval || std::isnan(interval->low)) return number(value);
  return absl::StrCat(number(value), " [", number(interval->low), ", ", number(interval->high),
                      "]");
}

std::string Line(const std::string& name, const std::string& a, const std::string& b,
                 const std::string& difference) {
  return absl::StrFormat("%-20s  %-24s  %-24s  %s\n", name, a, b, difference);
}

}  // namespace

std::string ComparisonJson(const Comparison& comparison) {
  std::vector<std::string> numbers;
  for (const ComparedNumber& one : comparison.numbers) numbers.push_back(JsonOf(one));
  return JsonObject({{"matching", JsonText(NameOf(comparison.matching))},
                     {"average_precision_mode", JsonText(NameOf(comparison.ap_mode))},
                     {"iou_threshold", JsonNumber(comparison.iou_threshold)},
                     {"images", absl::StrCat(comparison.images)},
                     {"level", JsonNumber(comparison.level)},
                     {"resamples", absl::StrCat(comparison.resamples)},
                     {"numbers", absl::StrCat("[", absl::StrJoin(numbers, ", "), "]")}});
}

std::string ComparisonTable(const Comparison& comparison) {
  std::string table = Line("", "A", "B", "B - A");
  for (const ComparedNumber& one : comparison.numbers) {
    table += Line(Printable(one.name), Cell(one.a, one.a_interval, false),
                  Cell(one.b, one.b_interval, false),
                  absl::StrCat(Cell(one.difference(), one.difference_interval, true),
                               one.differs() ? " *" : ""));
  }
  return absl::StrCat(
      table, absl::StrFormat(
                 "%s matching, %s, IoU %g, %d images. In brackets: %g %% intervals of %d "
                 "resamples of the images, the same for both. * The interval of the "
                 "difference leaves out 0.\n",
                 NameOf(comparison.matching), NameOf(comparison.ap_mode), comparison.iou_threshold,
                 comparison.images, 100 * comparison.level, comparison.resamples));
}

}  // namespace trainyard::tasks
