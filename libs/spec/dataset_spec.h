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
#include "trainyard/spec/dataset/v1/dataset_export_config.pb.h"

namespace trainyard::spec {

/// Parses a converter spec and applies `overrides` (ApplyOverrides): no checks of values, no defaults.
/// `warnings` (may be null) receives a line for each scalar given twice and each field that has no
/// effect, with its place. Fails with the problems of both.
absl::StatusOr<spec::dataset::v1::DatasetExportConfig> ParseDatasetExport(
    absl::string_view text, absl::string_view file_name, absl::Span<const std::string> overrides,
    std::vector<std::string>* warnings, FieldPlaces* places = nullptr);

/// Checks a converter spec; defaults need not be applied. Fails with all problems: kInvalidArgument, or
/// kUnimplemented when nothing is wrong but something is not offered yet.
/// `root_given`: the request names the root folder itself, so the spec need not. Folder names below the
/// root must be relative and must not contain "..".
///
/// Source: TAO's `dataset_export_spec`.
absl::Status CheckDatasetExport(const spec::dataset::v1::DatasetExportConfig& config,
                                bool root_given, const FieldPlaces* places = nullptr);

/// The root folder that the spec names, of either kind of labels; "" when it names none.
const std::string& SpecRoot(const spec::dataset::v1::DatasetExportConfig& config);

/// What a conversion does not act on: docs/spec-coverage.md.
absl::Span<const CoverageRule> DatasetExportCoverage();

/// Sets every absent scalar that has a default, and makes root_directory_path and
/// image_directory_path the same when one is absent. Idempotent.
void ApplyDefaults(spec::dataset::v1::DatasetExportConfig* config);

/// Parse, check, defaults: values are checked also when the text has problems, and all come together.
/// `networks`: the markers by which a text is known as an experiment of one (ExpectSpecKind).
absl::StatusOr<spec::dataset::v1::DatasetExportConfig> LoadDatasetExport(
    absl::string_view text, absl::string_view file_name, absl::Span<const std::string> overrides,
    bool root_given, std::vector<std::string>* warnings,
    absl::Span<const NetworkMarker> networks = {});

}  // namespace trainyard::spec
