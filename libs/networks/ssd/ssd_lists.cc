#include "libs/networks/ssd/ssd_lists.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/expression.h"
#include "libs/networks/ssd/ssd_spec.h"
#include "libs/spec/field_check.h"

namespace trainyard::networks {
namespace internal {

using spec::internal::FieldCheck;
using spec::internal::kPositive;
using spec::internal::Range;
namespace {

using spec::ssd::v1::SSDConfig;

constexpr int kScales = kSsdMaps + 1;

// The items of a list in a text, and where it lies for messages.
struct List {
  std::string path;
  std::vector<ExpressionValue> items;
};

// Reads `text` as a list. False, with a problem, when it is none or its length is not `count` (0:
// any but empty). An empty text must have been handled before.
bool ReadList(const std::string& path, const std::string& text, size_t count, FieldCheck* check,
              List* list) {
  absl::StatusOr<ExpressionValue> value = ParseExpression(text);
  if (!value.ok()) {
    check->Add(path, "is \"%s\": %s", text, value.status().message());
    return false;
  }
  if (!value->is_list) {
    check->Add(path, "is the number %g; expected a list", value->number);
    return false;
  }
  *list = {path, std::move(value->items)};
  if (count != 0 ? list->items.size() != count : list->items.empty()) {
    check->Add(path, "has %d elements; expected %s", list->items.size(),
               count != 0 ? absl::StrCat(count) : "at least 1");
    return false;
  }
  return true;
}

// The numbers of a list, each in `range`; the place in a message is "element 3" of `where`.
std::vector<double> ReadNumbers(const std::string& path, const std::string& where,
                                const std::vector<ExpressionValue>& items, const Range& range,
                                FieldCheck* check) {
  std::vector<double> numbers;
  for (const ExpressionValue& item : items) {
    const std::string element = absl::StrCat("element ", numbers.size() + 1, where);
    numbers.push_back(item.number);
    if (item.is_list) {
      check->Add(path, "has a list as %s; expected a number", element);
    } else if (!range.Holds(item.number)) {
      check->Add(path, "has %g as %s; expected %s", item.number, element, range.Text());
    }
  }
  return numbers;
}

void ReadAspectRatios(const SSDConfig& config, FieldCheck* check, SsdLists* lists) {
  List list;
  if (!config.aspect_ratios().empty()) {
    const std::string path = "ssd_config.aspect_ratios";
    if (!ReadList(path, config.aspect_ratios(), kSsdMaps, check, &list)) return;
    for (size_t i = 0; i < kSsdMaps; ++i) {
      const ExpressionValue& item = list.items[i];
      if (!item.is_list || item.items.empty()) {
        check->Add(
            path, "has %s as element %d; expected a list of ratios, one list a prediction map",
            item.is_list ? "an empty list" : absl::StrCat("the number ", item.number), i + 1);
        continue;
      }
      lists->aspect_ratios[i] =
          ReadNumbers(path, absl::StrCat(" of list ", i + 1), item.items, kPositive, check);
    }
  } else if (!config.aspect_ratios_global().empty()) {
    const std::string path = "ssd_config.aspect_ratios_global";
    if (!ReadList(path, config.aspect_ratios_global(), 0, check, &list)) return;
    lists->aspect_ratios.fill(ReadNumbers(path, "", list.items, kPositive, check));
  } else {
    check->Missing("ssd_config.aspect_ratios", "it or aspect_ratios_global");
  }
}

void ReadScales(const SSDConfig& config, FieldCheck* check, SsdLists* lists) {
  if (config.scales().empty()) {
    if (!config.has_min_scale() || !config.has_max_scale()) {
      return check->Missing("ssd_config.scales", "seven numbers, or min_scale and max_scale");
    }
    const double least = config.min_scale(), most = config.max_scale();
    if (!(least > 0 && least <= most && Range{}.Holds(most))) {
      return check->Add("ssd_config.min_scale", "is %g and max_scale %g; expected 0 < min <= max",
                        least, most);
    }
    for (int i = 0; i < kScales; ++i) lists->scales[i] = least + (most - least) * i / (kScales - 1);
    lists->scales.back() = most;
  } else {
    List list;
    if (!ReadList("ssd_config.scales", config.scales(), kScales, check, &list)) return;
    const std::vector<double> scales = ReadNumbers(list.path, "", list.items, kPositive, check);
    std::copy(scales.begin(), scales.end(), lists->scales.begin());
  }
  for (int i = 0; i < kSsdMaps; ++i) {
    if (lists->scales[i] > 1) {
      check->Add(config.scales().empty() ? "ssd_config.max_scale" : "ssd_config.scales",
                 "makes the scale of map %d %g; expected at most 1", i + 1, lists->scales[i]);
    }
  }
}

// Six numbers or [y, x] pairs.
std::optional<std::array<SsdLists::YX, kSsdMaps>> ReadPairs(const std::string& path,
                                                            const std::string& text,
                                                            const Range& range, FieldCheck* check) {
  List list;
  if (text.empty() || !ReadList(path, text, kSsdMaps, check, &list)) return std::nullopt;
  std::array<SsdLists::YX, kSsdMaps> pairs;
  for (size_t i = 0; i < kSsdMaps; ++i) {
    const ExpressionValue& item = list.items[i];
    std::vector<double> yx = {item.number, item.number};
    if (!item.is_list) {
      if (!range.Holds(item.number)) {
        check->Add(path, "has %g as element %d; expected %s", item.number, i + 1, range.Text());
      }
    } else if (item.items.size() != 2) {
      check->Add(path, "has a list of %d as element %d; expected a number or [y, x]",
                 item.items.size(), i + 1);
    } else {
      yx = ReadNumbers(path, absl::StrCat(" of pair ", i + 1), item.items, range, check);
    }
    pairs[i] = {yx[0], yx[1]};
  }
  return pairs;
}

void ReadVariances(const SSDConfig& config, FieldCheck* check, SsdLists* lists) {
  const std::string path = "ssd_config.variances";
  if (config.variances().empty()) {
    return check->Missing(path, "four numbers for cx, cy, w, h, such as \"[0.1, 0.1, 0.2, 0.2]\"");
  }
  List list;
  if (!ReadList(path, config.variances(), 4, check, &list)) return;
  const std::vector<double> variances = ReadNumbers(path, "", list.items, kPositive, check);
  std::copy(variances.begin(), variances.end(), lists->variances.begin());
}

}  // namespace

SsdLists ReadSsdLists(const SSDConfig& config, FieldCheck* check) {
  SsdLists lists;
  ReadAspectRatios(config, check, &lists);
  ReadScales(config, check, &lists);
  lists.steps = ReadPairs("ssd_config.steps", config.steps(), kPositive, check);
  lists.offsets =
      ReadPairs("ssd_config.offsets", config.offsets(), spec::internal::kOpenUnit, check);
  ReadVariances(config, check, &lists);
  return lists;
}

}  // namespace internal

absl::StatusOr<SsdLists> ListsOf(const spec::ssd::v1::SSDConfig& config) {
  spec::internal::FieldCheck check(nullptr, /*partial=*/false);
  SsdLists lists = internal::ReadSsdLists(config, &check);
  const absl::Status status = check.ToStatus();
  if (!status.ok()) return status;
  return lists;
}

}  // namespace trainyard::networks
