#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace trainyard {

/// One thing that is wrong with what somebody gave us.
struct Problem {
  /// Where: a field path (`training_config.num_epochs`), a flag, or an image and box.
  std::string field;
  /// What was seen and what was expected: "is 0; expected at least 1".
  std::string description;
  /// `file:line:column` when the problem lies in a text file, else empty.
  std::string place;
};

/// Collects every problem of a spec, a request or a label file, so that one answer names them all.
/// Not thread-safe.
class Problems {
 public:
  /// Adds "<field> <description>"; the rest are absl::StrFormat arguments.
  template <typename... Args>
  void Add(absl::string_view field, const absl::FormatSpec<Args...>& format, const Args&... args) {
    AddProblem({.field = std::string(field), .description = absl::StrFormat(format, args...)});
  }
  void AddProblem(Problem problem) { problems_.push_back(std::move(problem)); }
  /// Adds all of `other`, each field below `prefix` ("" for none).
  void Merge(const Problems& other, absl::string_view prefix = "");

  bool empty() const { return problems_.empty(); }
  size_t size() const { return problems_.size(); }
  const std::vector<Problem>& list() const { return problems_; }

  /// OK when empty; else `code` with one line a problem. The list itself rides along as a payload,
  /// from which the gRPC edge makes BadRequest field violations (ProblemsFrom).
  absl::Status ToStatus(absl::StatusCode code = absl::StatusCode::kInvalidArgument) const;

 private:
  std::vector<Problem> problems_;
};

/// The problems that ToStatus put into `status`; empty when there are none.
std::vector<Problem> ProblemsFrom(const absl::Status& status);

/// The nearest of `candidates` to `name` by edit distance, or "" when none is near (more than a
/// third of the letters differ). For "unknown field 'num_epoch'; did you mean 'num_epochs'?".
std::string NearestName(absl::string_view name, absl::Span<const std::string> candidates);

/// "; did you mean 'x'?" or "" when nothing is near.
std::string DidYouMean(absl::string_view name, absl::Span<const std::string> candidates);

}  // namespace trainyard
