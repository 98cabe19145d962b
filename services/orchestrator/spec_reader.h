#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/stages/stage_kinds.h"

namespace trainyard::orchestrator {

/// A stage's spec as it is to be read.
struct SpecQuestion {
  const stages::StageKind* kind = nullptr;
  std::string network;
  std::string text;
  /// For messages.
  std::string name;
  std::vector<std::string> overrides;
  /// Whether the request names the input `root`, so that the spec need not.
  bool has_root = false;
};

/// What to put in the place of a path that a spec holds.
using PathRule = std::function<absl::StatusOr<std::string>(absl::string_view path)>;

/// Checks a spec as its service would and returns its one form: defaults and overrides applied, every
/// path replaced by what `rule` says. Specs that mean the same have the same form. Tests pass a fake.
///
/// Fails with all problems at once: kInvalidArgument, kUnimplemented, kNotFound (network).
using SpecReader =
    std::function<absl::StatusOr<std::string>(const SpecQuestion& question, const PathRule& rule)>;

/// The reader over libs/spec and libs/networks.
absl::StatusOr<std::string> ReadSpec(const SpecQuestion& question, const PathRule& rule);

}  // namespace trainyard::orchestrator
