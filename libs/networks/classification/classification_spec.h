#pragma once

#include <cstdint>
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
#include "trainyard/spec/classification/v1/experiment.pb.h"

namespace trainyard::networks {

/// NetworkFamily::markers of classification.
absl::Span<const spec::NetworkMarker> ClassificationMarkers();

/// Parses an experiment spec and applies `overrides` (ApplyOverrides). No defaults, no checks of
/// values: CheckClassification, then ApplyClassificationDefaults.
///
/// `warnings` (may be null) receives a line for each scalar given twice and each field that has no
/// effect, with its place. Fails as ParseTextFormat and ApplyOverrides do; the problems of both
/// come together.
absl::StatusOr<spec::classification::v1::Experiment> ParseClassification(
    absl::string_view text, absl::string_view file_name, absl::Span<const std::string> overrides,
    std::vector<std::string>* warnings, spec::FieldPlaces* places = nullptr);

/// Checks everything about an experiment that needs no other file: required parts for the use,
/// ranges, what the backbone has, what TAO can do and we do not yet. Defaults need not be applied.
///
/// Fails with all problems at once: kInvalidArgument, or kUnimplemented when nothing is wrong but
/// something is not offered yet. `places` (may be null) gives problems their file and line.
///
/// Source: TAO's validator and the checks of its training script.
absl::Status CheckClassification(const spec::classification::v1::Experiment& experiment,
                                 spec::SpecUse use, const spec::FieldPlaces* places = nullptr);

/// What classification does not act on: docs/spec-coverage.md. Beside it there are fields that only
/// some backbones have; reading a spec warns of them.
absl::Span<const spec::CoverageRule> ClassificationCoverage();

/// Sets every absent scalar that has a default, and what a network needs of the messages around
/// them: batch_norm_config, an optimizer, for `caffe` the image mean. Of model_config and
/// train_config when they are there. 0 counts as absent for a resnet's n_layers and for epsilons.
/// Idempotent.
void ApplyClassificationDefaults(spec::classification::v1::Experiment* experiment);

/// Parse, check, defaults: what a stage wants. Fails as the three do; values are checked also when
/// the text has problems, and all come together.
absl::StatusOr<spec::classification::v1::Experiment> LoadClassification(
    absl::string_view text, absl::string_view file_name, absl::Span<const std::string> overrides,
    spec::SpecUse use, std::vector<std::string>* warnings);

/// The network's input.
struct InputSize {
  int channels = 0, height = 0, width = 0;
  bool operator==(const InputSize&) const = default;
};

/// What input_image_size says, "C,H,W" with blanks anywhere between; nothing when it is none that
/// is offered: 1 or 3 channels, sides of 16 to 8192.
std::optional<InputSize> InputSizeOf(absl::string_view input_image_size);

}  // namespace trainyard::networks
