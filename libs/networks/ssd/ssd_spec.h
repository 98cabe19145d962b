#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/spec/coverage.h"
#include "libs/spec/spec_kind.h"
#include "libs/spec/spec_use.h"
#include "libs/spec/text_format.h"
#include "trainyard/spec/ssd/v1/experiment.pb.h"

namespace trainyard::networks {

/// Prediction maps of SSD.
inline constexpr int kSsdMaps = 6;

/// Parses an experiment spec and applies `overrides` (ApplyOverrides). No defaults, no checks of
/// values: CheckExperiment, then ApplyDefaults.
///
/// `warnings` (may be null) receives a line for each scalar given twice and each field that has no
/// effect, with its place. Fails as ParseTextFormat and ApplyOverrides do; the
/// problems of both come together.
absl::StatusOr<spec::ssd::v1::Experiment> ParseExperiment(absl::string_view text,
                                                          absl::string_view file_name,
                                                          absl::Span<const std::string> overrides,
                                                          std::vector<std::string>* warnings,
                                                          spec::FieldPlaces* places = nullptr);

/// Checks everything about an experiment that needs no other file: required parts for the use,
/// ranges, the lists in texts, what TAO can do and we do not yet. Defaults need not be applied.
///
/// Fails with all problems at once: kInvalidArgument, or kUnimplemented when nothing is wrong but
/// something is not offered yet. `places` (may be null) gives problems their file and line.
///
/// Source: TAO's validator.
absl::Status CheckExperiment(const spec::ssd::v1::Experiment& experiment, spec::SpecUse use,
                             const spec::FieldPlaces* places = nullptr);

/// The fields that only specs of SSD have.
absl::Span<const spec::NetworkMarker> SsdMarkers();

/// What SSD does not act on: docs/spec-coverage.md.
absl::Span<const spec::CoverageRule> SsdCoverage();

/// Sets every absent scalar that has a default, in messages that are there, and the image mean. 0
/// counts as absent where TAO takes it so (alpha, neg_pos_ratio, the IoU thresholds of matching,
/// checkpoint_interval, max_queue_size), never in augmentation_config.
/// Idempotent.
void ApplyDefaults(spec::ssd::v1::Experiment* experiment);

/// Parse, check, defaults: what a stage wants. Fails as the three do; values are checked also when
/// the text has problems, and all come together.
absl::StatusOr<spec::ssd::v1::Experiment> LoadExperiment(absl::string_view text,
                                                         absl::string_view file_name,
                                                         absl::Span<const std::string> overrides,
                                                         spec::SpecUse use,
                                                         std::vector<std::string>* warnings);

/// The lists that ssd_config holds in texts, as numbers. Arithmetic in double; min_scale and
/// max_scale are floats first.
struct SsdLists {
  struct YX {
    double y = 0, x = 0;
    bool operator==(const YX&) const = default;
  };
  /// Ratios of each map, in order.
  std::array<std::vector<double>, kSsdMaps> aspect_ratios;
  /// Scales of the maps, and the next one after the last.
  std::array<double, kSsdMaps + 1> scales{};
  /// Pixels between centres of each map; absent: an even grid.
  std::optional<std::array<YX, kSsdMaps>> steps;
  /// First centres, in steps; absent: 0.5.
  std::optional<std::array<YX, kSsdMaps>> offsets;
  /// cx, cy, w, h.
  std::array<double, 4> variances{};
};

/// Evaluates the lists. kInvalidArgument with all problems, fields named below `ssd_config`.
absl::StatusOr<SsdLists> ListsOf(const spec::ssd::v1::SSDConfig& config);

}  // namespace trainyard::networks
