#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/spec/spec_kind.h"
#include "libs/spec/spec_use.h"

namespace trainyard::networks {

/// A path that a spec names.
struct SpecPath {
  /// `dataset_config.data_sources[0].tfrecords_path`.
  std::string field;
  /// Resolved.
  std::string path;
  /// Whether the use reads it, so that it has to be there.
  bool is_read = false;
  /// Whether what lies below it, at any depth, is read too: then nothing may be written there.
  bool is_read_below = false;
};

/// What a service must know of a spec before a worker reads it.
struct SpecFacts {
  /// The model that the spec itself starts from (`pretrain_model_path` or `pruned_model_path`), and
  /// the one whose training it goes on with (`resume_model_path`), resolved; "" = none. At most one
  /// of them is set; `model_field` is that field's path.
  std::string initial_model, resume_model, model_field;
  /// The model that the spec names to be judged, and that field's path; "" = none.
  std::string judged_model, judged_field;
  /// Where the spec's labelled images lie, whatever the use. Not looked for: a pipeline's stage
  /// may make them later.
  std::vector<SpecPath> data;
  /// Whether blocks are frozen: without a model to start from, random weights would be.
  bool freezes_blocks = false;
};

/// A spec that a worker can be given as it is.
struct PreparedSpec : SpecFacts {
  /// Overrides and defaults applied, paths resolved, one form for equal meanings.
  std::string canonical_text;
  /// What the user should know: fields without effect, scalars given twice.
  std::vector<std::string> warnings;
};

/// The markers of all networks: who reads specs names by them what it was given.
absl::Span<const spec::NetworkMarker> NetworkMarkers();

/// Checks the spec of any network for a use, so that no service knows a network's spec messages.
/// `resolve` turns each path of the spec into an absolute one (or refuses it).
///
/// Fails with all problems at once: kInvalidArgument; kUnimplemented when only things that are not
/// offered yet remain; kNotFound with the known names for an unknown network.
absl::StatusOr<PreparedSpec> PrepareSpec(
    absl::string_view network, absl::string_view text, absl::string_view file_name,
    absl::Span<const std::string> overrides, spec::SpecUse use,
    const std::function<absl::StatusOr<std::string>(absl::string_view)>& resolve);

}  // namespace trainyard::networks
