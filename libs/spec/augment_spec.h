#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/spec/coverage.h"
#include "libs/spec/spec_kind.h"
#include "libs/spec/text_format.h"
#include "trainyard/spec/augment/v1/augment_config.pb.h"

namespace trainyard::spec {

/// Parses a spec of offline augmentation and applies `overrides`; as ParseDatasetExport. A text in YAML
/// is one of TAO's data services and becomes `data_services`; paths of overrides, places and problems
/// are then those of the YAML ("spatial_aug.rotation.angle").
absl::StatusOr<spec::augment::v1::AugmentConfig> ParseAugment(
    absl::string_view text, absl::string_view file_name, absl::Span<const std::string> overrides,
    std::vector<std::string>* warnings, FieldPlaces* places = nullptr);

/// Checks it; as CheckDatasetExport. Folder names must not contain "..", and outside of data_services
/// must be relative. kUnimplemented for masks.
///
/// Source: TAO's `augment` spec.
absl::Status CheckAugment(const spec::augment::v1::AugmentConfig& config,
                          const FieldPlaces* places = nullptr);

/// What an augmentation does not act on: docs/spec-coverage.md.
absl::Span<const CoverageRule> AugmentCoverage();

/// Sets every absent scalar to its neutral value, in messages that are made where absent, so that a
/// reader need not ask for presence; width, height and extension stay absent. In data_services, whose
/// lists stay as they are, only scalars outside of them. Idempotent.
void ApplyDefaults(spec::augment::v1::AugmentConfig* config);

/// Parse, check, defaults; as LoadDatasetExport.
absl::StatusOr<spec::augment::v1::AugmentConfig> LoadAugment(
    absl::string_view text, absl::string_view file_name, absl::Span<const std::string> overrides,
    std::vector<std::string>* warnings, absl::Span<const NetworkMarker> networks = {});

}  // namespace trainyard::spec
