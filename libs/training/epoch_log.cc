#include "libs/training/epoch_log.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/csv.h"
#include "libs/base/files.h"
#include "libs/base/status.h"
#include "libs/base/writes.h"

namespace trainyard::training {
namespace {

constexpr int64_t kMaxLogBytes = int64_t{64} << 20;

// The rows of `text` that stay: whole lines of epochs before `first_epoch`, with the columns `keys`.
std::string KeptRows(absl::string_view text, const std::vector<std::string>& keys,
                     int first_epoch) {
  std::vector<absl::string_view> lines = absl::StrSplit(text, '\n');
  // What stands behind the last line break is a row cut short.
  lines.pop_back();
  if (lines.empty()) return "";
  const std::vector<std::string> names = SplitCsv(lines.front());
  std::string kept;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> cells = SplitCsv(lines[i]);
    int epoch = 0;
    if (cells.size() != names.size() || !absl::SimpleAtoi(cells[0], &epoch)) continue;
    if (epoch >= first_epoch) continue;
    absl::StrAppend(&kept, epoch);
    for (const std::string& key : keys) {
      const auto found = std::find(names.begin() + 1, names.end(), key);
      absl::StrAppend(&kept, ",", found == names.end() ? "nan" : cells[found - names.begin()]);
    }
    absl::StrAppend(&kept, "\n");
  }
  return kept;
}

}  // namespace

absl::StatusOr<EpochLog> EpochLog::Open(const std::string& path, std::vector<std::string> keys,
                                        int first_epoch) {
  std::sort(keys.begin(), keys.end());
  std::string header = "epoch";
  for (const std::string& key : keys) absl::StrAppend(&header, ",", CsvCell(key));
  std::string rows;
  if (first_epoch > 1 && FileExists(path)) {
    TY_ASSIGN_OR_RETURN(const std::string old, ReadFile(path, kMaxLogBytes));
    rows = KeptRows(old, keys, first_epoch);
  }
  TY_RETURN_IF_ERROR(WriteFileAtomically(path, absl::StrCat(header, "\n", rows)));
  return EpochLog(path, std::move(keys));
}

absl::Status EpochLog::Append(int epoch, const std::map<std::string, double>& values) {
  std::string row = absl::StrCat(epoch);
  for (const std::string& key : keys_) {
    const auto found = values.find(key);
    const bool known = found != values.end() && !std::isnan(found->second);
    absl::StrAppend(&row, ",", known ? absl::StrCat(found->second) : "nan");
  }
  return AppendToFile(path_, row + "\n");
}

}  // namespace trainyard::training
