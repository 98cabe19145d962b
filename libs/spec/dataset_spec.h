#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/spec/coverage.h"
#include "libs/spec/text_format.h"
#include "trainyard/spec/dataset/v1/dataset_export_config.pb.h"

namespace trainyard {

/// Parses a converter spec and applies `overrides`; as ParseExperiment.
absl::StatusOr<spec::dataset::v1::DatasetExportConfig> ParseDatasetExport(
    absl::string_view text, absl::string_view file_name, absl::Span<const std::string> overrides,
    std::vector<std::string>* warnings, FieldPlaces* places = nullptr);

/// Checks a converter spec; as CheckExperiment. `root_given`: the request names the root folder
/// itself, so the spec need not. COCO and sequence mode are kUnimplemented. Folder names below the
/// root must be relative and must not contain "..".
///
/// Source: TAO's `dataset_export_spec`.
absl::Status CheckDatasetExport(const spec::dataset::v1::DatasetExportConfig& config,
                                bool root_given, const FieldPlaces* places = nullptr);

/// What a conversion does not act on: docs/spec-coverage.md.
absl::Span<const CoverageRule> DatasetExportCoverage();

/// Sets every absent scalar that has a default, and makes root_directory_path and
/// image_directory_path the same when one is absent. Idempotent.
void ApplyDefaults(spec::dataset::v1::DatasetExportConfig* config);

/// Parse, check, defaults; as LoadExperiment.
absl::StatusOr<spec::dataset::v1::DatasetExportConfig> LoadDatasetExport(
    absl::string_view text, absl::string_view file_name, absl::Span<const std::string> overrides,
    bool root_given, std::vector<std::string>* warnings);

}  // namespace trainyard
