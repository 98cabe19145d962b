#include "libs/base/problems.h"

#include <algorithm>
#include <limits>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/printable.h"

namespace trainyard {
namespace {

// Records are separated by ASCII RS and their parts by US, which no printable text contains.
constexpr absl::string_view kPayload = "trainyard/problems";
constexpr char kRecord = '\x1e';
constexpr char kUnit = '\x1f';

std::string Line(const Problem& problem) {
  std::string line;
  if (!problem.place.empty()) absl::StrAppend(&line, problem.place, ": ");
  if (!problem.field.empty()) absl::StrAppend(&line, problem.field, " ");
  return absl::StrCat(line, problem.description);
}

size_t EditDistance(absl::string_view a, absl::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row[b.size()];
}

}  // namespace

void Problems::Merge(const Problems& other, absl::string_view prefix) {
  for (Problem problem : other.problems_) {
    if (!prefix.empty()) {
      problem.field = problem.field.empty() ? std::string(prefix)
                                            : absl::StrCat(prefix, ".", problem.field);
    }
    problems_.push_back(std::move(problem));
  }
}

absl::Status Problems::ToStatus(absl::StatusCode code) const {
  if (problems_.empty()) return absl::OkStatus();
  std::vector<std::string> lines, records;
  for (const Problem& problem : problems_) {
    // A problem is one line, whatever tabs and line breaks a user's text has in it.
    constexpr size_t kWhole = std::numeric_limits<size_t>::max();
    const Problem shown{Shown(problem.field, kWhole), Shown(problem.description, kWhole),
                        Shown(problem.place, kWhole)};
    lines.push_back(Line(shown));
    records.push_back(
        absl::StrJoin({shown.field, shown.description, shown.place}, std::string(1, kUnit)));
  }
  absl::Status status(code, absl::StrJoin(lines, "\n"));
  status.SetPayload(kPayload, absl::Cord(absl::StrJoin(records, std::string(1, kRecord))));
  return status;
}

std::vector<Problem> ProblemsFrom(const absl::Status& status) {
  std::vector<Problem> problems;
  const auto payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return problems;
  const std::string flat(*payload);
  for (absl::string_view record : absl::StrSplit(flat, kRecord)) {
    const std::vector<std::string> parts = absl::StrSplit(record, kUnit);
    if (parts.size() == 3) problems.push_back({parts[0], parts[1], parts[2]});
  }
  return problems;
}

std::string NearestName(absl::string_view name, absl::Span<const std::string> candidates) {
  // Nobody mistypes that much, and the distance costs the product of the lengths.
  constexpr size_t kLongestName = 128;
  if (name.size() > kLongestName) return "";
  std::string nearest;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    // At least so many letters must come or go. Also keeps a name of a megabyte from being compared.
    const size_t apart = std::max(name.size(), candidate.size()) - std::min(name.size(), candidate.size());
    if (apart >= least) continue;
    const size_t distance = EditDistance(name, candidate);
    if (distance < least) {
      least = distance;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string DidYouMean(absl::string_view name, absl::Span<const std::string> candidates) {
  const std::string nearest = NearestName(name, candidates);
  return nearest.empty() ? "" : absl::StrCat("; did you mean '", nearest, "'?");
}

}  // namespace trainyard
